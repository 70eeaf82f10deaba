"""Many stacks and tests on one Kafka and one MongoDB, each under its own prefix."""

import secrets

from aiokafka.admin import AIOKafkaAdminClient
from pymongo import MongoClient

from yizhan_local.threads import run_in_thread

TIMEOUT_S = 15


def new_namespace(label: str = "t") -> str:
    """Draw a prefix for topics, groups and databases that nobody else has."""
    return f"{label}{secrets.token_hex(4)}."


def drop_namespace(kafka_url: str, mongo_url: str, namespace: str) -> None:
    """Delete the topics and databases that begin with the prefix, which must not be empty."""
    if not namespace:
        raise ValueError("the empty namespace is everything")
    run_in_thread(lambda: _drop_topics(kafka_url, namespace))
    _drop_databases(mongo_url, namespace)


async def _drop_topics(kafka_url: str, namespace: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    try:
        await admin.start()
        doomed = [topic for topic in await admin.list_topics() if topic.startswith(namespace)]
        if doomed:
            await admin.delete_topics(doomed, timeout_ms=TIMEOUT_S * 1000)
    finally:
        await admin.close()


def _drop_databases(mongo_url: str, namespace: str) -> None:
    # MongoDB allows no dot in a database's name: the services write an underscore.
    prefix = namespace.replace(".", "_").replace("-", "_")
    with MongoClient[dict[str, object]](
        mongo_url, serverSelectionTimeoutMS=TIMEOUT_S * 1000
    ) as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)
