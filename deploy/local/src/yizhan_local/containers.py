"""Kafka and MongoDB in containers, for machines with a Docker engine."""

import contextlib
import functools
import os
import socket
import threading
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from yizhan_local.errors import TAIL_BYTES, LocalError
from yizhan_local.kafka import can_describe_cluster
from yizhan_local.mongod import REPLICA_SET, can_be_written
from yizhan_local.process import free_port, wait_until

IMAGES = {
    "kafka": os.environ.get("YIZHAN_KAFKA_IMAGE", "apache/kafka:4.1.1"),
    "mongo": os.environ.get("YIZHAN_MONGO_IMAGE", "mongo:6.0"),
}
ANSWER_TIMEOUT_S = 3
PULL_TIMEOUT_S = 60
START_TIMEOUT_S = 60
KAFKA_ENVIRONMENT = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
}


@functools.cache
def can_serve(image: str) -> bool:
    """Tell whether an engine answers and has the image, or can pull it within a minute."""
    if not _engine_listens():
        return False
    try:
        client = docker.from_env(timeout=ANSWER_TIMEOUT_S)
    except DockerException:
        return False
    try:
        client.ping()
        return _has(client, image) or _pull(image)
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _engine_listens() -> bool:
    """Look before the client does: where nobody listens, its failed connect leaks the socket."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_TIMEOUT_S)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError:
            return False
    return True


class DockerServer:
    """A container on a loopback port chosen in advance, gone at `stop()`."""

    kind = "docker"

    def __init__(self, image: str, container_port: int) -> None:
        # Without its image at hand the reaper would be pulled, and a failed pull ends the start.
        testcontainers_config.ryuk_disabled = not can_serve(testcontainers_config.ryuk_image)
        self._image = image
        self._port = free_port()
        self._container = DockerContainer(image).with_bind_ports(container_port, self._port)

    @property
    def url(self) -> str:
        """What clients need to connect."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the container and wait until a client can work with it; else remove it."""
        try:
            self._container.start()
            wait_until(lambda: self._has_ended() or self._is_ready(), START_TIMEOUT_S)
            self._check()
        except DockerException as error:
            self.stop()
            raise LocalError(f"no container of {self._image}: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the container with its data."""
        with contextlib.suppress(DockerException):
            self._container.stop()

    def ensure(self) -> bool:
        """Containers are the engine's to restart."""
        return False

    def details(self) -> dict[str, str | int]:
        """Return what a person who looks after it wants to know."""
        return {"image": self._image}

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def _check(self) -> None:
        if self._has_ended() or not self._is_ready():
            raise LocalError(f"a container of {self._image} is of no use: {self._said()}")

    def _has_ended(self) -> bool:
        container = self._container.get_wrapped_container()
        container.reload()
        return str(container.status) == "exited"

    def _said(self) -> str:
        stdout, stderr = self._container.get_logs()
        return (stdout + stderr)[-TAIL_BYTES:].decode(errors="replace").strip()


class DockerKafka(DockerServer):
    """The official image, one node."""

    def __init__(self) -> None:
        super().__init__(IMAGES["kafka"], 9092)
        self._container.with_envs(
            **KAFKA_ENVIRONMENT, KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.url}"
        )

    @property
    def url(self) -> str:
        """The bootstrap address, host:port."""
        return f"127.0.0.1:{self._port}"

    def _is_ready(self) -> bool:
        return can_describe_cluster(self.url)


class DockerMongo(DockerServer):
    """The official image, a replica set of one."""

    def __init__(self) -> None:
        super().__init__(IMAGES["mongo"], 27017)
        self._container.with_command(f"--replSet {REPLICA_SET}")

    @property
    def url(self) -> str:
        """The connection string; the set's own name for its member means nothing out here."""
        return f"mongodb://127.0.0.1:{self._port}/?directConnection=true"

    def _is_ready(self) -> bool:
        return can_be_written(self.url, member="127.0.0.1:27017")


def server(name: str) -> DockerServer:
    """Return the container for kafka or mongo."""
    return DockerKafka() if name == "kafka" else DockerMongo()


def _has(client: Any, image: str) -> bool:  # noqa: ANN401 - the engine's client has no types
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _pull(image: str) -> bool:
    """Pull in a thread: a stalled pull has no timeout of its own, and is left behind."""
    pulled: list[str] = []

    def work() -> None:
        with contextlib.suppress(DockerException, OSError):
            client = docker.from_env(timeout=PULL_TIMEOUT_S)
            client.images.pull(image)
            client.close()
            pulled.append(image)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PULL_TIMEOUT_S)
    return bool(pulled)
