"""Health: the table of what is ready, what is not, and what is dead; and what a probe sees."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from libs.runtime.tests.support import START_MS, FakeClock, FakeConsumer
from prometheus_client import CollectorRegistry

from yizhan_runtime.consuming import Membership
from yizhan_runtime.errors import Fatal
from yizhan_runtime.health import ConsumerProbe, Health, KafkaWatch, Sight, judge, needs_kafka
from yizhan_runtime.metrics import RuntimeMetrics
from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.watch import HealthWatch, Readiness

P0, P1 = TopicPartition("t.in", 0), TopicPartition("t.in", 1)
STUCK_S = 180.0


def member(**values: Any) -> Sight:
    return Sight(is_member=True, changed_for=1000.0, **values)


@pytest.mark.parametrize(
    ("sight", "kafka_back_for_s", "verdict"),
    [
        # idle, working, waiting behind a batch
        (member(fetch_ages=(0.2, 0.4)), 0, "ready"),
        (member(fetch_ages=(0.2, 9.0), busy_for=9.0), 0, "ready"),
        (member(fetch_ages=(100.0, 100.0), busy_for=100.0), 90, "ready"),
        # a spare member: more instances than partitions
        (member(), 0, "ready"),
        (member(), 9999, "ready"),
        # all partitions paused: nothing is fetched on purpose
        (member(fetch_ages=()), 9999, "ready"),
        # one handler that never returns
        (member(fetch_ages=(0.2,), busy_for=181.0), 0, "stuck"),
        # a batch that is tried again
        (member(fetch_ages=(0.2,), busy_for=2.0, trouble="MongoDB is away"), 0, "not ready"),
        # Kafka away, however long: it goes on by itself
        (member(fetch_ages=(31.0, 45.0)), 0, "not ready"),
        (member(fetch_ages=(9999.0, 9999.0), frozen_for=9999.0), 0, "not ready"),
        # Kafka back: a consumer needs a moment
        (member(fetch_ages=(9999.0, 9999.0)), 10, "not ready"),
        # Kafka there, and no fetch: a zombie, also where no record waits
        (member(fetch_ages=(200.0, 300.0)), 100, "stuck"),
        (member(fetch_ages=(100.0, 300.0)), 90, "not ready"),
        # some partitions old, with records: a stuck consumer
        (member(fetch_ages=(0.2, 200.0), frozen_for=181.0), 0, "stuck"),
        (member(fetch_ages=(0.2, 200.0), frozen_for=100.0), 0, "ready"),
        # thrown out and back in, over and over
        (member(is_flapping=True), 0, "stuck"),
        (Sight(is_member=False, changed_for=0.1, is_flapping=True), 0, "stuck"),
        # no assignment
        (Sight(is_member=False, changed_for=5.0), 0, "not ready"),
        (Sight(is_member=False, changed_for=9999.0), 0, "not ready"),
        (Sight(is_member=False, changed_for=9999.0), 10, "not ready"),
        (Sight(is_member=False, changed_for=200.0), 100, "stuck"),
    ],
)
def test_the_verdict(sight: Sight, kafka_back_for_s: float, verdict: str) -> None:
    health = judge(sight, STUCK_S, kafka_back_for_s)
    told = "stuck" if health.stuck else "not ready" if health.problem else "ready"
    assert told == verdict


def test_kafka_is_asked_only_where_it_matters() -> None:
    assert not needs_kafka(member(fetch_ages=(0.2, 300.0)))
    assert not needs_kafka(member())
    assert needs_kafka(member(fetch_ages=(31.0, 300.0)))
    assert needs_kafka(Sight(is_member=False, changed_for=1.0))


class Watched:
    """Our side of a consumer."""

    def __init__(self, clock: FakeClock) -> None:
        self.membership = Membership(clock)
        self.membership.change(is_member=True)
        self.busy_since: float | None = None
        self.trouble = ""
        self.held_tps: set[TopicPartition] = set()

    def held(self) -> set[TopicPartition]:
        return self.held_tps


class Subscriber:
    consumer: Any = None


class Bench:
    """A probe, and both sides of what it looks at."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.watched = Watched(self.clock)
        self.kafka = FakeConsumer(P0, P1)
        self.subscriber = Subscriber()
        self.subscriber.consumer = self.kafka
        self.metrics = RuntimeMetrics(CollectorRegistry())
        self.answers = True
        self.asked = 0
        self.probe = ConsumerProbe(
            "g",
            "t.",
            self.clock,
            self.metrics,
            self.subscriber,
            self.watched,
            STUCK_S,
            KafkaWatch(self.clock, self.does_answer),
        )
        for tp in (P0, P1):
            self.kafka.positions[tp] = self.kafka.highs[tp] = 0

    async def does_answer(self) -> bool:
        self.asked += 1
        return self.answers

    async def pass_by(self, seconds: int, *, fetching: bool = True) -> Health:
        """Look each second, as the watch does."""
        health = Health()
        for _ in range(seconds):
            self.clock.passed += 1
            if fetching:
                for tp in self.kafka.tps - self.kafka.paused_tps:
                    self.kafka.polled_ms[tp] = START_MS + int(self.clock.passed * 1000)
            health = await self.probe.look()
        return health

    def lag(self) -> float:
        return float(self.metrics.lag.labels("g", "in")._value.get())


async def test_before_its_start_a_consumer_is_not_ready() -> None:
    bench = Bench()
    bench.subscriber.consumer = None
    assert (await bench.pass_by(1)).problem == "not started"


async def test_idle_for_an_hour_is_ready_and_asks_nobody() -> None:
    bench = Bench()
    assert (await bench.pass_by(3600)).is_ready
    assert bench.asked == 0


async def test_records_that_nobody_takes_end_the_process() -> None:
    bench = Bench()
    await bench.pass_by(5)
    bench.kafka.highs[P1] = 1
    assert (await bench.pass_by(170)).is_ready
    assert bench.lag() == 1
    assert "g: there are records" in (await bench.pass_by(20)).stuck


async def test_records_that_are_held_on_purpose_do_not() -> None:
    bench = Bench()
    bench.kafka.highs[P1] = 100
    bench.kafka.paused_tps = {P1}
    bench.watched.held_tps = {P1}
    assert (await bench.pass_by(1000)).is_ready
    bench.kafka.paused_tps = set()
    bench.watched.held_tps = set()
    assert (await bench.pass_by(100)).is_ready


async def test_all_partitions_paused_is_ready() -> None:
    bench = Bench()
    bench.kafka.paused_tps = bench.watched.held_tps = {P0, P1}
    assert (await bench.pass_by(1000)).is_ready
    bench.kafka.paused_tps = set()
    bench.watched.held_tps = set()
    assert (await bench.pass_by(1, fetching=False)).is_ready


async def test_a_long_batch_is_no_freeze_after_its_end_either() -> None:
    bench = Bench()
    bench.kafka.highs[P0] = bench.kafka.highs[P1] = 10
    await bench.pass_by(5)
    for _ in range(50):  # a batch that is tried again and again
        bench.watched.busy_since = bench.clock.monotonic()
        await bench.pass_by(10, fetching=False)
    bench.watched.busy_since = None
    assert (await bench.pass_by(1, fetching=False)).is_ready


async def test_kafka_away_is_not_ready_and_never_dead() -> None:
    bench = Bench()
    await bench.pass_by(5)
    bench.answers = False
    assert (await bench.pass_by(20, fetching=False)).is_ready
    assert (await bench.pass_by(1000, fetching=False)).problem == "Kafka does not answer fetches"
    bench.answers = True
    assert not (await bench.pass_by(5, fetching=False)).stuck
    assert (await bench.pass_by(1)).is_ready


async def test_a_zombie_on_an_idle_topic_ends_the_process() -> None:
    bench = Bench()
    await bench.pass_by(5)
    assert (await bench.pass_by(170, fetching=False)).stuck == ""
    assert "Kafka answers, but no fetch" in (await bench.pass_by(20, fetching=False)).stuck


async def test_a_member_that_never_gets_a_fetch_answered_is_not_ready() -> None:
    bench = Bench()
    assert (await bench.pass_by(40, fetching=False)).problem == "Kafka does not answer fetches"


@pytest.mark.parametrize(("limit", "ends"), [(20, True), (None, False)])
async def test_two_processes_with_one_instance_id_are_noticed(
    limit: int | None, *, ends: bool
) -> None:
    bench = Bench()
    bench.probe.flap_limit = limit
    for _ in range(15):
        for _ in range(2):
            bench.watched.membership.change(is_member=False)
            bench.watched.membership.change(is_member=True)
        health = await bench.pass_by(1)
    assert ("YIZHAN_INSTANCE" in health.stuck) == ends
    bench.watched.membership.change(is_member=True)
    assert not (await bench.pass_by(70)).stuck


async def test_a_spare_member_is_ready() -> None:
    bench = Bench()
    bench.kafka.tps = frozenset()
    assert (await bench.pass_by(1000)).is_ready


async def test_partitions_that_have_gone_leave_no_lag_behind() -> None:
    bench = Bench()
    bench.kafka.highs[P0] = 50
    await bench.pass_by(1)
    assert bench.lag() == 50
    bench.kafka.tps = frozenset()
    await bench.pass_by(1)
    assert bench.lag() == 0


async def test_frozen_ourselves_we_blame_nobody() -> None:
    bench = Bench()
    bench.kafka.highs[P0] = 1
    await bench.pass_by(5)
    bench.clock.passed += 600
    assert not (await bench.pass_by(1)).stuck


async def test_a_position_that_is_being_looked_up_stops_no_probe() -> None:
    bench = Bench()

    async def position(tp: TopicPartition) -> int:
        raise TimeoutError

    bench.kafka.position = position  # type: ignore[method-assign]
    assert (await bench.pass_by(2)).is_ready


async def test_a_reassignment_while_looking_stops_no_probe() -> None:
    bench = Bench()
    bench.kafka.highs[P1] = 5
    plain = bench.kafka.position

    async def position(tp: TopicPartition) -> int:
        bench.kafka.tps = frozenset({P0})
        return await plain(tp)

    bench.kafka.position = position  # type: ignore[method-assign]
    assert (await bench.pass_by(2)).is_ready


async def test_kafka_counts_as_back_only_without_a_break() -> None:
    clock, answers = FakeClock(), True

    async def does_answer() -> bool:
        return answers

    watch = KafkaWatch(clock, does_answer)
    for _ in range(40):
        clock.passed += 1
        back_for = await watch.back_for_s()
    assert back_for > 30
    answers = False
    clock.passed += 5
    assert await watch.back_for_s() == 0
    answers = True
    clock.passed += 5
    assert await watch.back_for_s() < 1
    clock.passed += 3600  # nobody asked: it may have been away
    assert await watch.back_for_s() < 1


def test_readiness_names_its_causes() -> None:
    readiness = Readiness()
    assert readiness.report() == {"service": "starting"}
    readiness.say("service", "")
    readiness.say("mongo", "away")
    assert readiness.report() == {"mongo": "away"}
    readiness.say("mongo", "")
    assert readiness.report() == {}


class FakeProducer:
    failing_s = 0.0

    def failing_for_s(self) -> float:
        return self.failing_s


async def test_a_producer_that_gets_nothing_through_to_a_kafka_that_answers_ends_the_process() -> (
    None
):
    bench = Bench()
    failures: list[BaseException] = []
    settings = RuntimeSettings(stuck_after_s=100, publish_timeout_s=5)
    kafka = KafkaWatch(bench.clock, bench.does_answer)
    watch = HealthWatch(settings, bench.clock, bench.metrics, kafka, failures.append)
    producer = FakeProducer()
    for second in range(200):
        bench.clock.passed += 1
        producer.failing_s = float(second)
        bench.answers = second > 150
        await watch._look_at_producer(producer)  # type: ignore[arg-type]
        if second == 155:
            assert failures == []
            assert watch.readiness.report()["producer"] == "no publish comes through"
    assert isinstance(failures[0], Fatal)
