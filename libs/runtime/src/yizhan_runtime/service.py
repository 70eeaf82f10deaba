"""One way to run a service: declare what it reads and does, then ``run`` it until a signal or a fatal error.

Start: HTTP up (alive, not ready) -> topics checked -> MongoDB -> producer -> start hooks -> tables -> consumers ->
background tasks -> ready. Stop: consumers drain and commit -> background tasks -> stop hooks -> producer -> HTTP.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

import uvloop
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from yizhan_contracts import topics as contract_topics
from yizhan_contracts.events import AttemptPlanned
from yizhan_contracts.topics import RETRY_DELAYS_S, Topic
from yizhan_runtime import errors, http
from yizhan_runtime.aside import SetAside
from yizhan_runtime.batch import BatchConsumer, BatchRoute
from yizhan_runtime.clock import Clock, SystemClock, backoff_s
from yizhan_runtime.consuming import ConsumerContext
from yizhan_runtime.errors import Fatal, Misconfigured, Retryable
from yizhan_runtime.health import ConsumerProbe
from yizhan_runtime.kafka import check_topics
from yizhan_runtime.logs import configure_logging, get_logger
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.mongo import Mongo
from yizhan_runtime.publisher import Publisher
from yizhan_runtime.records import Parse
from yizhan_runtime.security import broker_security
from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.subscription import Subscription, make_broker, subscribe
from yizhan_runtime.table import OnChange, TableReader
from yizhan_runtime.window import OpenRecord, WindowConsumer, WindowRoute

log = get_logger(__name__)

Hook = Callable[[], Awaitable[None]]

PROBE_INTERVAL_S = 1.0
CLOCK_CHECK_INTERVAL_S = 60.0
TOPICS_GRACE_S = 5.0
MAX_CLOCK_OFFSET_S = 2.0
WINDOW_FETCH_BYTES = 262_144
"""A paused partition throws its fetched records away (aiokafka): keep that little."""


class Service:
    """A service, composed by its ``app.build``. Constructing one does no I/O."""

    def __init__(self, name: str, settings: RuntimeSettings, *, clock: Clock | None = None) -> None:
        self.name = name
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.metrics = RuntimeMetrics(self.registry)
        self.publisher = Publisher(settings, self.metrics, self.clock)
        self.http = FastAPI(title=f"Yizhan {name}", docs_url="/docs", redoc_url=None)
        self._aside = SetAside(name, self.publisher, self.clock)
        self._broker: KafkaBroker = make_broker(settings, broker_security(settings))
        self._needs: dict[str, Topic] = {}
        self._mongo: Mongo | None = None
        self._consumers: list[BatchConsumer | WindowConsumer] = []
        self._probes: list[ConsumerProbe] = []
        self._tables: list[TableReader] = []
        self._start_hooks: list[Hook] = []
        self._stop_hooks: list[Hook] = []
        self._background: list[tuple[str, Hook]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Event = asyncio.Event()
        self._failure: BaseException | None = None
        self._not_ready: dict[str, str] = {"service": "starting"}
        http.add_health(self.http, self.registry, self._live_report, self._ready_report)

    # ---- composition ----------------------------------------------------------------------------------

    def needs(self, topics: Iterable[Topic]) -> None:
        """Name topics that must exist, with the registry's partition counts, before anything starts."""
        self._needs.update((topic.name, topic) for topic in topics)

    def mongo(self) -> Mongo:
        """Give the service's own database; asking for it makes MongoDB part of readiness."""
        if self._mongo is None:
            self._mongo = Mongo(
                self.settings.mongo_url.get_secret_value(),
                self.settings.database(self.name),
                self.settings.mongo_timeout_s,
                self.metrics,
                self.clock,
            )
            self.background("clock", self._watch_clock)
        return self._mongo

    def on_start(self, hook: Hook) -> None:
        """Run before anything is consumed; MongoDB and the producer are there. Retryable is tried again."""
        self._start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Run after consumers and background tasks have ended; the producer is still there."""
        self._stop_hooks.append(hook)

    def background(self, name: str, work: Hook) -> None:
        """Run ``work`` for the life of the service. Should it end or raise, the process ends."""
        self._background.append((name, work))

    def fail(self, error: BaseException) -> None:
        """End the process because of ``error``; the first one counts."""
        if self._failure is None:
            self._failure = error
            log.critical("ending", extra={"why": f"{type(error).__name__}: {error}"})
        self._ended.set()

    def consume_batches(
        self, group: str, routes: Sequence[BatchRoute[Any]], *, max_records: int = 500
    ) -> BatchConsumer:
        """Consume topics in batches, and the records of these routes that were parked."""
        consumer = BatchConsumer(self._context(group), routes, self.fail)
        self._add(
            consumer, group, [topic for route in routes for topic in route.topics], max_records
        )
        self._consume_parked(group, routes)
        return consumer

    def consume_window(
        self,
        group: str,
        routes: Sequence[WindowRoute[Any]],
        intake: Callable[[Sequence[OpenRecord[Any]]], None],
        *,
        on_revoked: Callable[[Collection[OpenRecord[Any]]], None] | None = None,
        look_ahead: int = 500,
        max_span: int = 5_000,
    ) -> WindowConsumer:
        """Consume topics through a sliding window, and the records of these routes that were parked."""
        consumer = WindowConsumer(
            self._context(group),
            routes,
            intake,
            self.fail,
            on_revoked=on_revoked,
            look_ahead=look_ahead,
            max_span=max_span,
        )
        self._add(
            consumer,
            group,
            [topic for route in routes for topic in route.topics],
            look_ahead,
            WINDOW_FETCH_BYTES,
        )
        self.background(f"commits of {group}", consumer.commit_forever)
        self._consume_parked(
            group,
            [
                BatchRoute(route.topics, route.parse, consumer.handle_parked, route.foreign)
                for route in routes
            ],
        )
        return consumer

    def read_table(self, topic: str, parse: Parse[Any], on_change: OnChange) -> None:
        """Follow a compacted topic whole; the start waits until all there is has been read."""
        self._needs.setdefault(topic, _registered(topic))
        reader = TableReader(self.settings, self.clock, topic, parse, on_change)
        self._tables.append(reader)
        self.background(f"table {topic}", reader.follow)

    def _context(self, group: str) -> ConsumerContext:
        return ConsumerContext(group, self.settings, self.clock, self.metrics, self._aside)

    def _consume_parked(self, group: str, routes: Sequence[BatchRoute[Any]]) -> None:
        """Read the service's retry topics, as a group of their own, for the topics of these routes."""
        for delay in RETRY_DELAYS_S:
            topic = contract_topics.retry_topic(self.name, delay)
            parked_group = f"{group}-retry-{delay}"
            consumer = BatchConsumer(self._context(parked_group), routes, self.fail, waits=True)
            self._needs[topic.name] = topic
            self._add(consumer, parked_group, [topic.name], 200)
        dlq = contract_topics.dlq_topic(self.name)
        self._needs[dlq.name] = dlq

    def _add(
        self,
        consumer: BatchConsumer | WindowConsumer,
        group: str,
        topics: Sequence[str],
        max_records: int,
        fetch_bytes: int = 1_048_576,
    ) -> None:
        for topic in topics:
            self._needs.setdefault(topic, _registered(topic))
        subscriber = subscribe(
            self._broker,
            self.settings,
            Subscription(
                topics,
                group,
                consumer.on_batch,
                consumer.on_revoked,
                consumer.on_assigned,
                max_records,
                fetch_bytes,
            ),
        )
        self._consumers.append(consumer)
        self._probes.append(
            ConsumerProbe(
                group,
                self.settings.namespace,
                self.clock,
                self.metrics,
                subscriber,
                lambda: consumer.busy_since,
                consumer.held if isinstance(consumer, WindowConsumer) else (lambda: set()),
                self.settings.stuck_after_s,
            )
        )

    # ---- life -----------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or a fatal error; give the exit code."""
        server = http.make_server(self.http, self.settings)
        serving = asyncio.create_task(server.serve(), name="http")
        serving.add_done_callback(lambda _task: self._ended.set())
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._ended.set)
        try:
            await self._unless_ended(self.start())
            await self._ended.wait()
        except Exception as error:  # noqa: BLE001 - the process boundary
            self.fail(error)
        self._not_ready["service"] = "stopping"
        await self.stop()
        server.should_exit = True
        await asyncio.wait([serving], timeout=6)
        return self._exit_code()

    async def _unless_ended(self, work: Any) -> None:  # noqa: ANN401 - any coroutine
        """Let a signal end a start that waits for something."""
        starting, ended = asyncio.ensure_future(work), asyncio.ensure_future(self._ended.wait())
        await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not starting.done():
            starting.cancel()
            return
        await starting

    async def start(self) -> None:
        """Start everything but HTTP. Raises Misconfigured, or Retryable after the start timeout."""
        await self._patiently(self._check_topics)
        if self._mongo is not None:
            await self._patiently(self._check_mongo)
        await self._patiently(self.publisher.start)
        for hook in self._start_hooks:
            await self._patiently(hook)
        for table in self._tables:
            await self._patiently(table.start)
        await self._patiently(self._start_consumers)
        for name, work in [*self._background, ("health", self._watch)]:
            self._tasks.append(asyncio.create_task(self._supervised(name, work), name=name))
        del self._not_ready["service"]
        log.info("started", extra={"consumers": len(self._consumers)})

    async def stop(self) -> None:
        """Stop in order, each step bounded, so that nothing that is away holds the process up."""
        for consumer in self._consumers:
            await self._bounded("drain", consumer.stop())
        await self._bounded("broker", self._broker.stop())
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for hook in self._stop_hooks:
            await self._bounded("stop hook", hook())
        for table in self._tables:
            await self._bounded("table", table.stop())
        await self._bounded("producer", self.publisher.stop())
        if self._mongo is not None:
            self._mongo.close()
        log.info("stopped")

    async def _bounded(self, what: str, step: Awaitable[None]) -> None:
        try:
            await asyncio.wait_for(step, self.settings.drain_timeout_s + 5)
        except asyncio.CancelledError:
            # aiokafka's consumer leaks its own cancellation while the broker is away (kafka notes 6.2).
            log.warning("a stop was cancelled", extra={"step": what})
        except Exception as error:  # noqa: BLE001 - a stop goes on
            log.warning(
                "a stop failed", extra={"step": what, "why": f"{type(error).__name__}: {error}"}
            )

    async def _patiently(self, step: Hook) -> None:
        """Try a step of the start again while what it needs is away, up to the start timeout."""
        deadline = self.clock.monotonic() + self.settings.start_timeout_s
        tries = 0
        while True:
            try:
                return await step()
            except Retryable as error:
                tries += 1
                if self.clock.monotonic() > deadline:
                    raise
                log.warning("waiting", extra={"why": str(error), "tries": tries})
                await self.clock.sleep(backoff_s(tries))

    async def _check_topics(self) -> None:
        """Check, and look again for a while: the command that makes the topics may have only just ended."""
        deadline = self.clock.monotonic() + TOPICS_GRACE_S
        while True:
            try:
                return await check_topics(self.settings, self._needs.values())
            except Misconfigured:
                if self.clock.monotonic() > deadline:
                    raise
                await self.clock.sleep(0.5)

    async def _check_mongo(self) -> None:
        if self._mongo is not None:
            await self._mongo.ping()

    async def _start_consumers(self) -> None:
        try:
            await self._broker.start()
        except Exception as error:
            if isinstance(error, errors.YizhanError):
                raise
            raise Retryable(f"the consumers did not start: {type(error).__name__}") from error

    async def _supervised(self, name: str, work: Hook) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("a background task failed", extra={"task": name})
            self.fail(error)
        else:
            self.fail(Fatal(f"the background task {name} ended"))

    def _exit_code(self) -> int:
        if self._failure is None:
            return 0
        if isinstance(self._failure, Misconfigured):
            return errors.EXIT_MISCONFIGURED
        return (
            errors.EXIT_UNAVAILABLE if isinstance(self._failure, Retryable) else errors.EXIT_FATAL
        )

    # ---- health ---------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look at every consumer each second; a stuck one ends the process."""
        while True:
            for probe in self._probes:
                health = await probe.look()
                if health.stuck:
                    self.fail(Fatal(health.stuck))
                self._say(f"consumer {probe.group}", health.detail if not health.ready else "")
            await self.clock.sleep(PROBE_INTERVAL_S)

    async def _watch_clock(self) -> None:
        """Compare our clock with MongoDB's: deadlines must mean the same to all."""
        mongo = self.mongo()
        while True:
            try:
                offset_s = await mongo.clock_offset_s()
            except Retryable as error:
                self._say("mongo", str(error))
                await self.clock.sleep(PROBE_INTERVAL_S)
                continue
            self._say("mongo", "")
            self.metrics.clock_offset.set(offset_s)
            off = abs(offset_s) > MAX_CLOCK_OFFSET_S
            self._say("clock", f"{offset_s:.1f} s off MongoDB's: set it by NTP" if off else "")
            await self.clock.sleep(CLOCK_CHECK_INTERVAL_S)

    def _say(self, what: str, problem: str) -> None:
        if problem:
            self._not_ready[what] = problem
        else:
            self._not_ready.pop(what, None)

    def _live_report(self) -> tuple[bool, http.Report]:
        return self._failure is None, {"live": self._failure is None, "service": self.name}

    def _ready_report(self) -> tuple[bool, http.Report]:
        ready = not self._not_ready and self._failure is None
        return ready, {"ready": ready, "service": self.name, "waiting_for": dict(self._not_ready)}


def _registered(topic: str) -> Topic:
    """Find a topic in the registry by its name. Raises Misconfigured."""
    prefix = AttemptPlanned.TOPIC + "."
    channels = [topic.removeprefix(prefix).rpartition(".")[0]] if topic.startswith(prefix) else []
    for known in contract_topics.all_topics(channels):
        if known.name == topic:
            return known
    raise Misconfigured(f"{topic} is no topic of the registry (yizhan_contracts.topics)")


def run(build: Callable[[], Service]) -> NoReturn:
    """Build a service and run it; the process ends with its exit code."""
    configure_logging("yizhan", "INFO")
    try:
        service = build()
    except (Misconfigured, ValueError) as error:
        log.critical("cannot run like this", extra={"why": _explain(error)})
        raise SystemExit(errors.EXIT_MISCONFIGURED) from None
    configure_logging(service.name, service.settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(service.run())
    raise SystemExit(code)


def _explain(error: Exception) -> str:
    """Say which settings are wrong; pydantic's errors would print their values, which may be secrets."""
    from pydantic import ValidationError

    from yizhan_runtime.records import describe

    return describe(error) if isinstance(error, ValidationError) else str(error)
