"""Which Kafka and which MongoDB to use.

In this order: the address in the environment; a container, if a Docker engine answers and has the
image or can pull it within a minute; a server started here and shared by all that run on this
work tree. YIZHAN_SERVERS=url|docker|local forces one. Each of the two is chosen by itself.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from yizhan_local.errors import LocalError, StackError
from yizhan_local.kafka import KafkaServer
from yizhan_local.mongod import MongoServer
from yizhan_local.paths import local_dir
from yizhan_local.server import Server
from yizhan_local.shared import SharedServer

KINDS = ("url", "docker", "local")


@dataclass(frozen=True)
class Address:
    """A server that somebody else runs."""

    url: str
    kind: str = "url"

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def ensure(self) -> bool:
        """Nothing to restart."""
        return False

    def details(self) -> dict[str, str | int]:
        """Nothing is known about it."""
        return {}


class FirstThatStarts:
    """The first of several ways to get a server that works: an engine may be of no use."""

    def __init__(self, *ways: Callable[[], Server]) -> None:
        self._ways = ways
        self._server: Server | None = None

    @property
    def kind(self) -> str:
        """Where it comes from, once it runs."""
        return self.started().kind

    @property
    def url(self) -> str:
        """What clients need to connect."""
        return self.started().url

    def start(self) -> None:
        """Try one way after the other; the error of the last if none works."""
        *others, last = self._ways
        for way in others:
            server = way()
            try:
                server.start()
            except LocalError as error:
                print(f"{error}\ntrying another way", file=sys.stderr, flush=True)
            else:
                self._server = server
                return
        self._server = last()
        self._server.start()

    def stop(self) -> None:
        """Let go of what was started."""
        if self._server is not None:
            self._server.stop()

    def ensure(self) -> bool:
        """Start it again if it has died; True if it had."""
        return self.started().ensure()

    def details(self) -> dict[str, str | int]:
        """Return what a person who looks after it wants to know."""
        return self.started().details()

    def started(self) -> Server:
        """Return the one that works."""
        if self._server is None:
            raise StackError("the server was not started")
        return self._server


class Servers:
    """A Kafka and a MongoDB to work with, from `start()` to `stop()` or as a context manager."""

    def __init__(self, kafka: Server, mongo: Server) -> None:
        self._kafka = kafka
        self._mongo = mongo

    @property
    def kafka_url(self) -> str:
        """Bootstrap addresses, host:port[,host:port]."""
        return self._kafka.url

    @property
    def mongo_url(self) -> str:
        """MongoDB connection string."""
        return self._mongo.url

    def start(self) -> Self:
        """Make both reachable; returns when a client can work with them."""
        with ThreadPoolExecutor(2) as pool:
            started = [pool.submit(server.start) for server in self._both()]
        errors = [error for future in started if (error := future.exception())]
        if errors:
            self.stop()
            raise errors[0]
        return self

    def stop(self) -> None:
        """Let go of both: private ones end, shared ones end with their last user."""
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(server.stop) for server in self._both()]:
                future.result()

    def ensure(self) -> bool:
        """Start again what has died; True if anything had."""
        died = [server.ensure() for server in self._both()]  # both, also if the first had died
        return any(died)

    def named(self, name: str) -> Server:
        """Return the one called kafka or mongo."""
        server = {"kafka": self._kafka, "mongo": self._mongo}[name]
        return server.started() if isinstance(server, FirstThatStarts) else server

    def details(self) -> dict[str, dict[str, Any]]:
        """Return kind, address, and what else is known of both."""
        return {
            name: {"kind": server.kind, "url": server.url, **server.details()}
            for name, server in (("kafka", self._kafka), ("mongo", self._mongo))
        }

    async def astart(self) -> Self:
        """`start()` for a running event loop."""
        return await asyncio.to_thread(self.start)

    async def astop(self) -> None:
        """`stop()` for a running event loop."""
        await asyncio.to_thread(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await self.astart()

    async def __aexit__(self, *_: object) -> None:
        await self.astop()

    def _both(self) -> tuple[Server, Server]:
        return self._kafka, self._mongo


class PrivateServers(Servers):
    """Servers of one test or run, with data in its own folder; they may be killed at will."""

    def __init__(self, folder: Path) -> None:
        self.kafka = KafkaServer(folder / "kafka")
        self.mongo = MongoServer(folder / "mongo")
        super().__init__(self.kafka, self.mongo)


def shared_kafka() -> SharedServer:
    """Return a share in the Kafka of this work tree."""
    return SharedServer(KafkaServer(local_dir() / "servers" / "kafka", outlives=True))


def shared_mongo() -> SharedServer:
    """Return a share in the mongod of this work tree."""
    return SharedServer(MongoServer(local_dir() / "servers" / "mongo", outlives=True))


def choose_servers(environ: Mapping[str, str] | None = None) -> Servers:
    """Choose as the module says; nothing is started yet."""
    environ = os.environ if environ is None else environ
    forced = environ.get("YIZHAN_SERVERS", "")
    if forced and forced not in KINDS:
        raise StackError(f"YIZHAN_SERVERS={forced}: must be one of {', '.join(KINDS)}")
    kafka_url, mongo_url = environ.get("YIZHAN_KAFKA_URL"), environ.get("YIZHAN_MONGO_URL")
    if forced == "url" and not (kafka_url and mongo_url):
        raise StackError("YIZHAN_SERVERS=url needs YIZHAN_KAFKA_URL and YIZHAN_MONGO_URL")
    if forced in ("docker", "local"):
        kafka_url = mongo_url = None
    return Servers(
        _choose("kafka", kafka_url, forced, shared_kafka),
        _choose("mongo", mongo_url, forced, shared_mongo),
    )


def _choose(name: str, url: str | None, forced: str, shared: Callable[[], Server]) -> Server:
    if url:
        return Address(url)
    if forced == "local":
        return shared()
    from yizhan_local import containers  # noqa: PLC0415 - half a second, and only needed here

    def container() -> Server:
        return containers.server(name)

    if forced == "docker":
        return container()
    if containers.can_serve(containers.IMAGES[name]):
        return FirstThatStarts(container, shared)
    return shared()
