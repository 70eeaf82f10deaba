from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import MongoClient

from yizhan_local.containers import IMAGES, can_serve
from yizhan_local.errors import LocalError
from yizhan_local.servers import Servers, choose_servers

pytestmark = [pytest.mark.docker, pytest.mark.integration, pytest.mark.timeout(150)]


@pytest.fixture
def containers() -> Iterator[Servers]:
    if not all(can_serve(image) for image in IMAGES.values()):
        pytest.skip("no Docker engine that has the images or can pull them")
    servers = choose_servers({"YIZHAN_SERVERS": "docker"})
    try:
        servers.start()
    except LocalError as error:
        pytest.skip(f"the engine's images do not run: {error}")
    yield servers
    servers.stop()


async def test_containers_take_records_and_documents(containers: Servers) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=containers.kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic("facts", num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=containers.kafka_url) as producer:
        await producer.send_and_wait("facts", b"one")
    with MongoClient[dict[str, int]](containers.mongo_url, w="majority") as client:
        client["facts"]["facts"].insert_one({"value": 1})
    assert {one["kind"] for one in containers.details().values()} == {"docker"}
