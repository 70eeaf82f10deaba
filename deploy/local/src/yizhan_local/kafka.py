"""A real Apache Kafka, one node in KRaft mode, from Maven's jars.

Against a kill -9 it needs no fsync: written pages survive the process. Against a power cut one
replica without fsync guarantees nothing; this is a server for development, tests and the demo.
"""

import logging
import secrets
import subprocess
from base64 import urlsafe_b64encode
from typing import ClassVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from yizhan_local import process
from yizhan_local.errors import DidNotStart
from yizhan_local.jars import java, kafka_classpath
from yizhan_local.paths import resource
from yizhan_local.server import LocalServer
from yizhan_local.threads import run_in_thread

# 384 MB, serial collector, first compiler tier only: 340 MB resident, up in 3-5 s on two busy
# cores, 11-29 k messages/s from one client. The stock options take 8-16 s.
JVM_OPTIONS = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

# After a kill -9 a node waits for its own old registration to expire: with a session of 3 s it is
# back in 6-7 s, with the default of 9 s in 14 s.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""

FORMAT_TIMEOUT_S = 60
PROBE_TIMEOUT_MS = 3000


class KafkaServer(LocalServer):
    """One Kafka node. Auto-creation of topics is off: whoever needs topics creates them."""

    name: ClassVar[str] = "kafka"

    @property
    def url(self) -> str:
        """The bootstrap address, host:port."""
        return f"127.0.0.1:{self.port}"

    def _prepare(self) -> list[str]:
        log_dir = self.data / "log"
        properties = self.data / "server.properties"
        ports = {"port": self._port("port"), "controller_port": self._port("controller_port")}
        properties.write_text(PROPERTIES.format(log_dir=log_dir, **ports))
        jvm = [java(), *JVM_OPTIONS, f"-Dlog4j2.configurationFile={resource('kafka-log4j2.yaml')}"]
        jvm += ["-cp", kafka_classpath()]
        if not (log_dir / "meta.properties").exists():
            self._format([*jvm, "kafka.tools.StorageTool", "format", "-c", str(properties)])
        return [*jvm, "kafka.Kafka", str(properties)]

    def _format(self, command: list[str]) -> None:
        with self.log.open("ab") as out:
            done = subprocess.run(
                [*command, "-t", new_cluster_id()],
                check=False,
                stdout=out,
                stderr=out,
                timeout=FORMAT_TIMEOUT_S,
            )
        if done.returncode:
            raise DidNotStart("Kafka's storage could not be formatted", self.log)

    def _is_ready(self) -> bool:
        return process.accepts(self.port) and can_describe_cluster(self.url)


def new_cluster_id() -> str:
    """Draw a cluster id, 16 bytes in base64; StorageTool would take a leading '-' for an option."""
    while True:
        cluster_id = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


def can_describe_cluster(url: str) -> bool:
    """Tell whether a client gets an answer; works with and without a running event loop."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # that nobody listens yet is no news
    try:
        return run_in_thread(lambda: _describe(url))
    finally:
        logger.setLevel(level)


async def _describe(url: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=url, request_timeout_ms=PROBE_TIMEOUT_MS)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])
