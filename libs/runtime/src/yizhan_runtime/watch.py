"""What a service says of its health: the causes why it is not ready, and who looks for them."""

from collections.abc import Callable, Sequence

from yizhan_runtime import http
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Fatal, Retryable
from yizhan_runtime.health import ConsumerProbe, KafkaWatch
from yizhan_runtime.logs import get_logger
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.mongo import Mongo
from yizhan_runtime.publisher import Publisher
from yizhan_runtime.settings import RuntimeSettings

log = get_logger(__name__)

PROBE_INTERVAL_S = 1.0
MONGO_INTERVAL_S = 5.0
MAX_CLOCK_OFFSET_S = 2.0
TRUSTED_ROUND_TRIP_S = 1.0


class Readiness:
    """Causes why a service is not ready, by what they concern; none means ready."""

    def __init__(self) -> None:
        self._causes: dict[str, str] = {"service": "starting"}

    def say(self, what: str, problem: str) -> None:
        """Set the problem with ``what``, or clear it with an empty one. Changes are logged."""
        before = self._causes.get(what, "")
        if problem:
            self._causes[what] = problem
        else:
            self._causes.pop(what, None)
        if bool(problem) != bool(before) and what != "service":
            log.info("readiness", extra={"of": what, "problem": problem or "none"})

    def report(self) -> dict[str, str]:
        """Give the causes."""
        return dict(self._causes)


class HealthWatch:
    """Looks at consumers, producer and MongoDB, says what it sees, and ends what is stuck."""

    def __init__(
        self,
        settings: RuntimeSettings,
        clock: Clock,
        metrics: RuntimeMetrics,
        kafka: KafkaWatch,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._kafka = kafka
        self._fail = fail
        self.readiness = Readiness()

    async def watch(self, probes: Sequence[ConsumerProbe], publisher: Publisher) -> None:
        """Look at every consumer, and at the producer, each second."""
        while True:
            for probe in probes:
                await self._look(probe)
            await self._look_at_producer(publisher)
            await self._clock.sleep(PROBE_INTERVAL_S)

    async def _look(self, probe: ConsumerProbe) -> None:
        health = await probe.look()
        self.readiness.say(f"consumer {probe.group}", health.stuck or health.problem)
        if health.stuck:
            self._fail(Fatal(health.stuck))

    async def _look_at_producer(self, publisher: Publisher) -> None:
        failing_s = publisher.failing_for_s()
        self.readiness.say("producer", "no publish comes through" if failing_s else "")
        if failing_s > self._settings.stuck_after_s:
            back_s = await self._kafka.back_for_s()
            if back_s > self._settings.publish_timeout_s * 2:
                self._fail(Fatal(f"Kafka answers, but no publish for {failing_s:.0f} s"))

    async def watch_mongo(self, mongo: Mongo) -> None:
        """Ask MongoDB for its time: deadlines must mean the same to all."""
        while True:
            begun = self._clock.monotonic()
            try:
                offset_s = await mongo.clock_offset_s()
            except Retryable as error:
                self.readiness.say("mongo", str(error))
            else:
                self.readiness.say("mongo", "")
                # The answer to a slow question says little about the time.
                if self._clock.monotonic() - begun < TRUSTED_ROUND_TRIP_S:
                    self._compare_clocks(offset_s)
            await self._clock.sleep(MONGO_INTERVAL_S)

    def _compare_clocks(self, offset_s: float) -> None:
        self._metrics.clock_offset.set(offset_s)
        is_off = abs(offset_s) > MAX_CLOCK_OFFSET_S
        self.readiness.say(
            "clock", f"{offset_s:.1f} s off MongoDB's: set it by NTP" if is_off else ""
        )

    def ready_report(self, service: str, *, is_alive: bool) -> tuple[bool, http.Report]:
        """Give whether the service is ready, and what it waits for."""
        causes = self.readiness.report()
        is_ready = is_alive and not causes
        return is_ready, {"ready": is_ready, "service": service, "waiting_for": causes}
