"""One way to run a service: declare what it reads and does, ``run`` it until a signal or an error.

Start: HTTP (alive, not ready) -> topics checked -> MongoDB -> producer -> start hooks -> tables ->
background tasks -> consumers -> ready. Stop: consumers drain and commit -> HTTP -> background tasks
-> stop hooks -> tables -> producer.
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import uvicorn
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from yizhan_contracts import topics as contract_topics
from yizhan_contracts.events import AttemptPlanned
from yizhan_contracts.topics import RETRY_DELAYS_S, Topic
from yizhan_runtime import http
from yizhan_runtime.aside import SetAside
from yizhan_runtime.batch import BatchConsumer, BatchRoute
from yizhan_runtime.bounded import bounded
from yizhan_runtime.clock import Clock, SystemClock
from yizhan_runtime.consuming import ConsumerContext
from yizhan_runtime.errors import Fatal, Misconfigured, Retryable, YizhanError
from yizhan_runtime.explaining import explain
from yizhan_runtime.health import (
    ConsumerProbe,
    HasConsumer,
    KafkaWatch,
    Watched,
    flap_limit,
    kafka_answers,
)
from yizhan_runtime.kafka import check_topics
from yizhan_runtime.lifecycle import Hook, Life
from yizhan_runtime.logs import get_logger
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.mongo import Mongo
from yizhan_runtime.publisher import Publisher
from yizhan_runtime.records import Parse
from yizhan_runtime.retrying import RetryConsumer, retry_group, returning
from yizhan_runtime.running import run
from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.subscription import Subscription, make_broker, subscribe
from yizhan_runtime.table import OnChange, TableReader
from yizhan_runtime.watch import HealthWatch
from yizhan_runtime.window import OpenRecord, WindowConsumer, WindowRoute

__all__ = ["Service", "run"]

log = get_logger(__name__)

TOPICS_GRACE_S = 5.0
STOP_TIMEOUT_S = 5.0
HOOK_TIMEOUT_S = 10.0
WINDOW_FETCH_BYTES = 262_144
"""A paused partition throws its fetched records away (aiokafka): keep that little."""
PARKED_RECORDS = 200

_Consumer = BatchConsumer | WindowConsumer


class Service:
    """A service, composed by its ``app.build``. Constructing one does no I/O."""

    def __init__(self, name: str, settings: RuntimeSettings, *, clock: Clock | None = None) -> None:
        self.name = str(name)
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.metrics = RuntimeMetrics(self.registry)
        self._life = Life(self.clock)
        self.publisher = Publisher(settings, self.metrics, self.clock, self.fail)
        self.http = FastAPI(title=f"Yizhan {name}", docs_url="/docs", redoc_url=None)
        self.http_port = 0
        """The port that is listened on, once it is."""
        self._aside = SetAside(self.name, self.publisher, self.clock)
        self._broker: KafkaBroker = make_broker(settings, self.fail)
        self._kafka = KafkaWatch(self.clock, lambda: kafka_answers(settings))
        self._flap_limit = flap_limit(settings)
        self._watch = HealthWatch(settings, self.clock, self.metrics, self._kafka, self.fail)
        self._needs: dict[str, Topic] = {}
        self._checked: set[str] = set()
        self._mongo: Mongo | None = None
        self._consumers: list[_Consumer] = []
        self._reads: dict[str, list[str]] = {}
        self._probes: list[ConsumerProbe] = []
        self._tables: list[TableReader] = []
        self._table_hooks: list[Hook] = []
        self._parked: dict[str, dict[tuple[str, str], BatchRoute[Any]]] = {}
        self._start_hooks: list[Hook] = []
        self._stop_hooks: list[Hook] = []
        self._background: list[tuple[str, Hook]] = []
        self._serving: asyncio.Task[None] | None = None
        self._server: uvicorn.Server | None = None
        http.add_health(self.http, self.registry, self._live_report, self._ready_report)

    @property
    def failure(self) -> BaseException | None:
        """Why it ends, None while it does not or was asked to."""
        return self._life.failure

    async def until_ended(self) -> None:
        """Wait for what ends it: a signal or a failure."""
        await self._life.until_end()

    # ---- composition ------------------------------------------------------------------

    def needs(self, topics: Iterable[Topic]) -> None:
        """Name topics that must exist, with the registry's partition counts, for it to start."""
        self._needs.update((topic.name, topic) for topic in topics)

    def mongo(self) -> Mongo:
        """Give the service's own database; asking for it makes MongoDB part of readiness."""
        if self._mongo is None:
            mongo = self._mongo = Mongo(
                self.settings.mongo_url.get_secret_value(),
                self.settings.database(self.name),
                self.settings.mongo_timeout_s,
                self.metrics,
                self.clock,
            )
            self.background("clock", lambda: self._watch.watch_mongo(mongo))
        return self._mongo

    def on_start(self, hook: Hook) -> None:
        """Run before anything is consumed; MongoDB and the producer are there.

        Retryable is tried again. A hook may still declare what is to be consumed.
        """
        self._start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Run after consumers and background tasks have ended; the producer is still there."""
        self._stop_hooks.append(hook)

    def background(self, name: str, work: Hook) -> None:
        """Run ``work`` for the life of the service. Should it end or raise, the process ends."""
        self._background.append((name, work))

    def fail(self, error: BaseException) -> None:
        """End the process because of ``error``; the first one counts."""
        self._life.fail(error)

    def consume_batches(
        self, group: str, routes: Sequence[BatchRoute[Any]], *, max_records: int = 500
    ) -> BatchConsumer:
        """Consume topics in batches, and what was parked of them."""
        consumer = BatchConsumer(self._context(group), routes, self.fail)
        topics = [topic for route in routes for topic in route.topics]
        self._add(consumer, Subscription.of(consumer, group, topics, max_records))
        for delay in RETRY_DELAYS_S:
            self._take_back(delay, group, routes)
        return consumer

    def consume_window(
        self,
        group: str,
        routes: Sequence[WindowRoute[Any]],
        intake: Callable[[Sequence[OpenRecord[Any]]], None],
        *,
        on_revoked: Callable[[Collection[OpenRecord[Any]]], None] | None = None,
        on_held: Callable[[Collection[tuple[str, int]]], None] | None = None,
        look_ahead: int = 500,
        max_span: int = 5_000,
    ) -> WindowConsumer:
        """Consume topics through a sliding window, and what was parked of them.

        ``on_held`` is told of all partitions held (topic, number) whenever they change; while the
        group deals them out anew nobody holds any. With it, they are dealt out by number.
        """
        context = self._context(group)
        consumer = WindowConsumer(
            context,
            routes,
            intake,
            self.fail,
            on_revoked=on_revoked,
            on_held=on_held,
            look_ahead=look_ahead,
            max_span=max_span,
        )
        topics = [topic for route in routes for topic in route.topics]
        subscription = Subscription.of(consumer, group, topics, look_ahead, WINDOW_FETCH_BYTES)
        self._add(consumer, replace(subscription, is_dealt=on_held is not None))
        self.background(f"commits of {group}", consumer.commit_forever)
        for delay in RETRY_DELAYS_S:
            self._take_back(delay, group, [returning(consumer, route) for route in routes])
        return consumer

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Give the groups that this service reads as, those of retries too, with their topics."""
        return {group: tuple(topics) for group, topics in self._reads.items()}

    def on_tables_read(self, hook: Hook) -> None:
        """Run a coroutine once all tables have been read, before anything else is consumed."""
        self._table_hooks.append(hook)

    def read_table(
        self, topic: str, parse: Parse[Any], on_change: OnChange, *, recent_s: float = 0.0
    ) -> None:
        """Follow a compacted topic whole; the start waits until all there is has been read.

        Gives the newest record of each key, and of the last ``recent_s`` seconds every one.
        """
        self._needs.setdefault(topic, _registered(topic))
        reader = TableReader(self.settings, self.clock, topic, parse, on_change, recent_s)
        self._tables.append(reader)
        self._probe(f"table {topic}", reader, reader)
        self.background(f"table {topic}", reader.follow)

    def hurry_parked(self) -> None:
        """Have this service's parked records, those that this process reads, looked at now."""
        for consumer in self._consumers:
            if isinstance(consumer, RetryConsumer):
                consumer.hurry()

    def _context(self, group: str) -> ConsumerContext:
        return ConsumerContext(str(group), self.settings, self.clock, self.metrics, self._aside)

    def _take_back(self, delay: str, group: str, routes: Sequence[BatchRoute[Any]]) -> None:
        """Give a group's parked records back to it; one consumer per delay reads them all."""
        if delay not in self._parked:
            self._parked[delay] = {}
            self._read_back(delay)
        mine = {(str(group), topic): route for route in routes for topic in route.topics}
        self._parked[delay].update(mine)

    def _read_back(self, delay: str) -> None:
        retry_topic = contract_topics.retry_topic(self.name, delay)
        self.needs([retry_topic, contract_topics.dlq_topic(self.name)])
        group = retry_group(self.name, delay)
        consumer = RetryConsumer(self._context(group), self._parked[delay], self.fail)
        self._add(consumer, Subscription.of(consumer, group, [retry_topic.name], PARKED_RECORDS))

    def _add(self, consumer: _Consumer, subscription: Subscription) -> None:
        for topic in subscription.topics:
            self._needs.setdefault(topic, _registered(topic))
        self._consumers.append(consumer)
        self._reads.setdefault(subscription.group, []).extend(subscription.topics)
        subscriber = subscribe(self._broker, self.settings, subscription)
        self._probe(subscription.group, subscriber, consumer)

    def _probe(self, name: str, subscriber: HasConsumer, watched: Watched) -> None:
        self._probes.append(
            ConsumerProbe(
                name,
                self.settings.namespace,
                self.clock,
                self.metrics,
                subscriber,
                watched,
                self.settings.stuck_after_s,
                self._kafka,
                self._flap_limit,
            )
        )

    # ---- life -------------------------------------------------------------------------

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or a fatal error; give the exit code."""
        self._life.follow_signals()
        try:
            self._serve(http.bind(self.settings))
            await self._life.unless_ended(self.start())
            await self._life.until_end()
        except Exception as error:  # noqa: BLE001 - the process boundary
            self.fail(error)
        await self.stop()
        return self._life.exit_code()

    async def start(self) -> None:
        """Start everything but HTTP. Raises Misconfigured, or Retryable after the start timeout."""
        await self._patiently(self._check_topics)
        if self._mongo is not None:
            await self._patiently(self._mongo.ping)
        await self._patiently(self.publisher.start)
        for hook in self._start_hooks:
            await self._patiently(hook)
        await self._patiently(self._check_topics)  # hooks may have declared more
        for table in self._tables:
            await self._patiently(table.start)
        for hook in self._table_hooks:
            await self._patiently(hook)
        for name, work in self._background:
            self._life.spawn(name, work)
        await self._start_consumers()
        self._life.spawn("health", lambda: self._watch.watch(self._probes, self.publisher))
        self._watch.readiness.say("service", "")
        log.info("started", extra={"consumers": len(self._consumers), "port": self.http_port})

    async def stop(self) -> None:
        """Stop in order, each step bounded, so that nothing that is away holds the process up."""
        self._watch.readiness.say("service", "stopping")
        drain_s = self.settings.drain_timeout_s + STOP_TIMEOUT_S
        await asyncio.gather(*(bounded("drain", one.stop(), drain_s) for one in self._consumers))
        await bounded("consumers", self._broker.stop(), STOP_TIMEOUT_S)
        await self._stop_serving()
        await self._life.cancel_all()
        for hook in self._stop_hooks:
            await bounded("stop hook", hook(), HOOK_TIMEOUT_S)
        await asyncio.gather(*(table.stop() for table in self._tables))
        await self.publisher.stop()
        if self._mongo is not None:
            self._mongo.close()
        log.info("stopped")

    def _serve(self, listening: socket.socket) -> None:
        self.http_port = listening.getsockname()[1]
        self._server = http.make_server(self.http, self.settings)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="http")
        self._serving.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        if not self._life.is_ending:
            error = None if task.cancelled() else task.exception()
            self.fail(Fatal(f"the HTTP edge ended: {explain(error) if error else 'by itself'}"))

    async def _stop_serving(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await bounded("http", self._serving, http.STOP_TIMEOUT_S + 1)

    async def _patiently(self, step: Hook) -> None:
        await self._life.patiently(step, self.settings.start_timeout_s)

    async def _check_topics(self) -> None:
        """Check, and look again for a while: the topics may only just have been made."""
        unchecked = [topic for name, topic in self._needs.items() if name not in self._checked]
        deadline = self.clock.monotonic() + TOPICS_GRACE_S
        while unchecked:
            try:
                await check_topics(self.settings, unchecked)
            except Misconfigured:
                if self.clock.monotonic() > deadline:
                    raise
                await self.clock.sleep(0.5)
            else:
                self._checked.update(topic.name for topic in unchecked)
                return

    async def _start_consumers(self) -> None:
        """Start them, once: some run already when another fails, and must not be started twice."""
        try:
            async with asyncio.timeout(self.settings.start_timeout_s):
                await self._broker.start()
        except YizhanError:
            raise
        except Exception as error:
            raise Retryable(f"the consumers did not start: {explain(error)}") from error

    # ---- health -----------------------------------------------------------------------

    def _live_report(self) -> tuple[bool, http.Report]:
        is_alive = self.failure is None
        return is_alive, {"live": is_alive, "service": self.name}

    def _ready_report(self) -> tuple[bool, http.Report]:
        return self._watch.ready_report(self.name, is_alive=self.failure is None)


def _registered(topic: str) -> Topic:
    """Find a topic in the registry by its name. Raises Misconfigured."""
    prefix = AttemptPlanned.TOPIC + "."
    channels = [topic.removeprefix(prefix).rpartition(".")[0]] if topic.startswith(prefix) else []
    for known in contract_topics.all_topics(channels):
        if known.name == topic:
            return known
    raise Misconfigured(f"{topic} is no topic of the registry (yizhan_contracts.topics)")
