import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from motor.motor_asyncio import AsyncIOMotorClient

from yizhan_local.files import read_json
from yizhan_local.kafka import KafkaServer
from yizhan_local.mongod import MongoServer
from yizhan_local.namespaces import drop_namespace
from yizhan_local.process import ProcessId, free_port, wait_until
from yizhan_local.servers import PrivateServers, Servers
from yizhan_local.shared import SharedServer

pytestmark = pytest.mark.integration


async def create_topic(url: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=url)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    await admin.close()


async def produce(url: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=url, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(url: str, topic: str, count: int) -> set[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=url, auto_offset_reset="earliest"
    ) as consumer:
        return {(await consumer.getone()).value for _ in range(count)}


async def insert(url: str, database: str, value: int) -> None:
    client: AsyncIOMotorClient[dict[str, int]] = AsyncIOMotorClient(url, w="majority")
    await client[database]["facts"].insert_one({"value": value})
    client.close()


async def count(url: str, database: str) -> int:
    client: AsyncIOMotorClient[dict[str, int]] = AsyncIOMotorClient(url)
    found = await client[database]["facts"].count_documents({})
    client.close()
    return found


async def topics(url: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=url)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


async def test_chosen_servers_take_records_and_documents(servers: Servers, namespace: str) -> None:
    topic, database = f"{namespace}facts", namespace.replace(".", "_")
    await create_topic(servers.kafka_url, topic)
    await produce(servers.kafka_url, topic, [b"one", b"two"])
    await insert(servers.mongo_url, database, 1)
    assert await consume(servers.kafka_url, topic, 2) == {b"one", b"two"}
    assert await count(servers.mongo_url, database) == 1


async def test_dropped_namespace_leaves_the_others_alone(servers: Servers, namespace: str) -> None:
    mine, other = f"{namespace}mine", f"{namespace[:-1]}x.other"
    await create_topic(servers.kafka_url, mine)
    await create_topic(servers.kafka_url, other)
    await asyncio.to_thread(drop_namespace, servers.kafka_url, servers.mongo_url, namespace)
    left = await topics(servers.kafka_url)
    await asyncio.to_thread(drop_namespace, servers.kafka_url, servers.mongo_url, other[:-5])
    assert (mine in left, other in left) == (False, True)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_kill_and_restart_keep_data_and_address(private_servers: PrivateServers) -> None:
    kafka, mongo = private_servers.kafka, private_servers.mongo
    urls = kafka.url, mongo.url
    await create_topic(kafka.url, "facts")
    await produce(kafka.url, "facts", [b"kept"])
    await insert(mongo.url, "facts", 1)
    for server in (kafka, mongo):
        server.kill()
        assert not server.is_running()
        await asyncio.to_thread(server.start)
    assert (kafka.url, mongo.url) == urls
    assert await consume(kafka.url, "facts", 1) == {b"kept"}
    assert await count(mongo.url, "facts") == 1


@pytest.mark.slow
async def test_mongod_is_primary_again_on_another_port(tmp_path: Path) -> None:
    mongo = MongoServer(tmp_path).start()
    await insert(mongo.url, "facts", 1)
    mongo.stop()
    mongo._ports_file.write_text(f'{{"port": {free_port()}}}')
    await asyncio.to_thread(mongo.start)
    try:
        await insert(mongo.url, "facts", 2)
        assert await count(mongo.url, "facts") == 2
    finally:
        mongo.stop()


@pytest.mark.slow
def test_frozen_kafka_goes_on_after_the_thaw(tmp_path: Path) -> None:
    kafka = KafkaServer(tmp_path).start()
    try:
        kafka.freeze()
        assert not wait_until(kafka._is_ready, 0.1)
        kafka.thaw()
        assert wait_until(kafka._is_ready, 20)
    finally:
        assert kafka.stop()


SHARE = """
import sys, time
from pathlib import Path
from yizhan_local.mongod import MongoServer
from yizhan_local.shared import SharedServer
shared = SharedServer(MongoServer(Path(sys.argv[1]), outlives=True)).start()
print(shared.server.pid, flush=True)
sys.stdin.read()
if sys.argv[2] == "leave":
    shared.stop()
"""


def share(folder: Path, how: str = "leave") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SHARE, str(folder), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def leave(user: subprocess.Popen[str]) -> None:
    user.communicate(timeout=30)


def first_line(user: subprocess.Popen[str]) -> int:
    assert user.stdout is not None
    return int(user.stdout.readline())


@pytest.mark.slow
def test_two_that_start_at_once_share_one_server_until_the_last_leaves(tmp_path: Path) -> None:
    first, second = share(tmp_path), share(tmp_path)
    pid = first_line(first)
    assert first_line(second) == pid
    server = ProcessId.of(pid)
    leave(first)
    assert server.is_alive()
    leave(second)
    assert not server.is_alive()


@pytest.mark.slow
def test_user_that_was_killed_does_not_keep_the_server_alive(tmp_path: Path) -> None:
    killed, other = share(tmp_path), share(tmp_path)
    server = ProcessId.of(first_line(killed))
    first_line(other)
    killed.send_signal(signal.SIGKILL)
    leave(killed)
    leave(other)
    assert not server.is_alive()


@pytest.mark.slow
def test_shared_server_that_died_is_started_again_with_its_data(tmp_path: Path) -> None:
    shared = SharedServer(MongoServer(tmp_path, outlives=True)).start()
    try:
        before = shared.url
        asyncio.run(insert(shared.url, "facts", 1))
        os.kill(shared.server.pid, signal.SIGKILL)
        assert wait_until(lambda: not shared.server.is_running(), 10)
        assert shared.ensure()
        assert not shared.ensure()
        assert shared.url == before
        assert asyncio.run(count(shared.url, "facts")) == 1
    finally:
        shared.stop()


@pytest.mark.slow
def test_pinned_server_stays_without_users(tmp_path: Path) -> None:
    shared = SharedServer(MongoServer(tmp_path, outlives=True)).start()
    shared.pin()
    shared.stop()
    assert shared.server.is_running()
    shared.unpin()
    assert not shared.server.is_running()


@pytest.mark.slow
def test_bound_server_dies_with_its_starter(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from yizhan_local.mongod import MongoServer;"
        "MongoServer(Path(sys.argv[1])).start(); print(flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    mongod = ProcessId(**read_json(tmp_path / "process.json"))
    assert mongod.is_alive()
    starter.kill()
    starter.communicate()
    started = time.monotonic()
    assert wait_until(lambda: not mongod.is_alive(), 5)
    assert time.monotonic() - started < 5
