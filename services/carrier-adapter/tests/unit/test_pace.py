"""The rate: bucket, shares of instances through rebalances, throttling, slow start."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrier_adapter.carriers.base import (
    Accepted,
    Answered,
    Cause,
    MayWrite,
    NotTaken,
    Submission,
)
from carrier_adapter.domain.bucket import TokenBucket
from carrier_adapter.domain.pace import Pace
from carrier_adapter.domain.sharing import shares
from yizhan_contracts.events import Lane
from yizhan_contracts.reasons import Reason
from yizhan_contracts.topics import attempt_planned

from .fakes import FakeCarrier, FakeClock
from .world import World, plan

THROTTLED = NotTaken(Cause.THROTTLED, Reason.THROTTLED)
DOWN = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "refused")
TICK_S = 0.01
TPS = 100.0


class Instance:
    """A bucket and a pace that send whenever they may, while partitions are held."""

    def __init__(self) -> None:
        self.pace = Pace(0.0)
        self.pace.configure(TPS)
        self.bucket = TokenBucket(TPS, 0.0)
        self.holds: set[tuple[str, int]] = set()

    def take(self, held: set[tuple[str, int]], now: float) -> None:
        self.holds = held
        self.pace.hold(shares(["a"], held)["a"])
        self.bucket.empty(now)

    def send(self, now: float) -> int:
        self.bucket.set_rate(self.pace.rate(now), now)
        count = self.bucket.available(now) if self.holds else 0
        self.bucket.spend(count, now)
        return count


def partitions() -> list[tuple[str, int]]:
    topics = [attempt_planned("a", lane) for lane in Lane]
    return [(topic.name, number) for topic in topics for number in range(topic.partitions)]


def deal(random: Random, members: int) -> list[set[tuple[str, int]]]:
    """Deal the partitions out anyhow: some members may get none."""
    hands: list[set[tuple[str, int]]] = [set() for _ in range(members)]
    for one in partitions():
        random.choice(hands).add(one)
    return hands


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0.5, 8.0), st.floats(0.0, 2.0)), max_size=6),
    st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_all_instances_together_keep_the_rate_through_any_rebalances(
    members: int, rebalances: list[tuple[float, float]], seed: int
) -> None:
    """No stretch of ten seconds or more has more than the rate and two per cent."""
    random = Random(seed)
    instances = [Instance() for _ in range(members)]
    sent: list[int] = []
    for steady_s, dealing_s in [*rebalances, (12.0, 0.0)]:
        for instance, hand in zip(instances, deal(random, members), strict=True):
            instance.take(hand, len(sent) * TICK_S)
        for _ in range(round(steady_s / TICK_S)):
            now = len(sent) * TICK_S
            sent.append(sum(instance.send(now) for instance in instances))
        # Each lets go at a moment of its own, before anybody gets anything.
        goes_at = [random.uniform(0, dealing_s) for _ in instances]
        for tick in range(round(dealing_s / TICK_S)):
            now = len(sent) * TICK_S
            for instance, at in zip(instances, goes_at, strict=True):
                if instance.holds and tick * TICK_S >= at:
                    instance.take(set(), now)
            sent.append(sum(instance.send(now) for instance in instances))
    total = [0]
    for count in sent:
        total.append(total[-1] + count)
    span = round(10.0 / TICK_S)
    most = max(total[at + span] - total[at] for at in range(len(total) - span))
    assert most <= 10 * TPS * 1.02
    last = total[-1] - total[-1 - span]
    assert last == pytest.approx(10 * TPS, rel=0.02)


def test_shares_follow_the_partitions_and_add_up_to_one() -> None:
    everything = partitions()
    hands = [set(everything[start::3]) for start in range(3)]
    assert [shares(["a"], hand)["a"] for hand in hands] == pytest.approx([1 / 3] * 3)
    assert shares(["a", "b"], everything) == pytest.approx({"a": 1.0, "b": 1 / 12})
    assert shares(["a"], ())["a"] == pytest.approx(1 / 12)


@given(st.lists(st.tuples(st.sampled_from(["throttled", "back", "wait"]), st.floats(0, 90))))
def test_pace_is_never_above_its_rate_nor_nought_and_always_comes_back(
    happenings: list[tuple[str, float]],
) -> None:
    pace, now = Pace(0.0), 0.0
    pace.configure(TPS)
    pace.hold(0.5)
    for what, seconds in happenings:
        now += seconds
        if what == "throttled":
            pace.was_throttled(now)
        elif what == "back":
            pace.is_back(now)
        assert 0 < pace.rate(now) <= TPS / 2
    assert pace.rate(now + 60) == pytest.approx(TPS / 2)


def test_what_is_turned_away_at_one_moment_is_one_cut() -> None:
    pace = Pace(0.0)
    pace.configure(TPS)
    assert [pace.was_throttled(5.0) for _ in range(50)] == [True] + [False] * 49
    assert pace.rate(5.0) == pytest.approx(0.7 * TPS)


class Limited:
    """A carrier that takes so many a second and says that it is full to the rest."""

    def __init__(self, carrier: FakeCarrier, clock: FakeClock, tps: float) -> None:
        self._carrier = carrier
        self._clock = clock
        self.bucket = TokenBucket(tps, clock.monotonic())
        self.asked = 0

    async def __call__(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        assert may_write()
        self.asked += len(batch)
        for one in batch:
            now = self._clock.monotonic()
            if self.bucket.available(now) > 0:
                self.bucket.spend(1, now)
                self._carrier.take([one])
                answered(one.attempt_id, Accepted((self._carrier.new_id(),)))
            else:
                answered(one.attempt_id, THROTTLED)


async def test_throttling_lowers_the_rate_to_what_the_carrier_bears_and_raises_it_again() -> None:
    world = World(tps=100.0, window=200, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour = limited = Limited(carrier, world.clock, 30.0)
    async with world.process() as process:
        process.read(*(plan() for _ in range(3000)))
        await process.turn(10)
        handed, asked = len(carrier.handed), limited.asked
        await process.turn(10)
        taken, tried = len(carrier.handed) - handed, limited.asked - asked
        assert 0.85 * 300 <= taken <= 1.05 * 300
        assert taken / tried > 0.85
        limited.bucket.set_rate(10_000.0, world.clock.monotonic())
        await process.turn(15)
        handed = len(carrier.handed)
        await process.turn(5)
        assert len(carrier.handed) - handed == pytest.approx(500, rel=0.02)
    outcomes = Counter(outcome for _, outcome in world.outcomes())
    assert outcomes.keys() == {"submitted"}


async def test_a_channel_that_was_down_begins_slowly_and_comes_back_to_its_rate() -> None:
    world = World(tps=100.0, window=200, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour, carrier.is_reachable = carrier.answers(*[DOWN] * 10_000), False
    async with world.process() as process:
        channel = process.channels["a"]
        process.read(plan())
        await process.turn(5)
        assert channel.is_shut
        carrier.behaviour, carrier.is_reachable = carrier.accept, True
        while channel.is_shut:
            await process.turn(1)
        process.read(*(plan() for _ in range(3000)))
        await process.turn(1)
        assert 0 < len(carrier.handed) <= 25
        await process.turn(10)
        handed = len(carrier.handed)
        await process.turn(5)
        assert len(carrier.handed) - handed == pytest.approx(500, rel=0.02)


async def test_a_message_in_parts_counts_as_the_submits_that_it_is() -> None:
    smpp = {"system_id": "yizhan"}
    world = World(tps=60.0, protocol="smpp", smpp=smpp, window=500)
    async with world.process() as process:
        process.read(*(plan(charging_num=3) for _ in range(600)))
        await process.turn(2)
        before = len(world.carriers["a"].handed)
        await process.turn(10)
    assert len(world.carriers["a"].handed) - before == pytest.approx(200, rel=0.02)
