"""Window, rate, lanes and recipients of a running channel; failure, recovery, reconfiguration."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from carrier_adapter.carriers.base import (
    Accepted,
    Answered,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Submission,
)
from carrier_adapter.domain.breaker import State
from yizhan_contracts.events import ChannelReported, Lane
from yizhan_contracts.reasons import Reason
from yizhan_runtime.gathering import Gathering

from .fakes import FakeCarrier, FakeClock, settle
from .world import TIMEOUT_S, World, configured, plan

DOWN = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "refused")


class Answering:
    """Answers each message when it is told to: a carrier that answers out of order."""

    def __init__(self, carrier: FakeCarrier) -> None:
        self._carrier = carrier
        self._waiting: dict[str, asyncio.Event] = {}
        self.open = 0
        self.most_open = 0

    async def __call__(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        assert may_write()
        self._carrier.take(batch)
        self.open += len(batch)
        self.most_open = max(self.most_open, self.open)
        await asyncio.gather(*(self._one(one, answered) for one in batch))

    async def _one(self, one: Submission, answered: Answered) -> None:
        await self._waiting.setdefault(one.attempt_id, asyncio.Event()).wait()
        self.open -= 1
        answered(one.attempt_id, Accepted((self._carrier.new_id(),)))

    def answer(self, attempt_id: str) -> None:
        self._waiting.setdefault(attempt_id, asyncio.Event()).set()


async def test_no_more_than_the_window_is_handed_over_and_unanswered() -> None:
    world = World(window=7, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Answering(carrier)
    async with world.process() as process:
        process.read(*(plan() for _ in range(30)))
        await process.turn(1)
        assert len(carrier.handed) == 7
        for _ in range(23):
            slow.answer(next(one.attempt_id for one in carrier.handed[-7:]))
            for one in list(carrier.handed):
                slow.answer(one.attempt_id)
            await process.turn(0.1)
    assert slow.most_open == 7
    assert len(carrier.handed) == 30


async def test_a_slow_answer_holds_up_nothing_but_itself() -> None:
    world = World(window=10, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Answering(carrier)
    async with world.process() as process:
        records = process.read(*(plan() for _ in range(10)))
        await process.turn(0.1)
        for one in carrier.handed[1:]:
            slow.answer(one.attempt_id)
        await process.turn(0.1)
        assert [one.ending for one in records] == ["open"] + ["finished"] * 9


async def test_a_recipient_has_at_most_one_open_submit() -> None:
    world = World()
    carrier = world.carriers["a"]
    carrier.behaviour = slow = Answering(carrier)
    plans = [plan(recipient="+33612345678") for _ in range(4)]
    async with world.process() as process:
        process.read(*plans, plan())
        for number, planned in enumerate(plans, 1):
            await process.turn(0.1)
            mine = [one for one in carrier.handed if one.recipient == "+33612345678"]
            assert [one.attempt_id for one in mine] == [p.attempt_id for p in plans[:number]]
            slow.answer(planned.attempt_id)
    assert len(carrier.handed) == 5


async def test_lanes_are_drawn_8_3_1_under_a_full_tps() -> None:
    world = World(tps=100.0, window=1000, batch_max=10)
    async with world.process() as process:
        process.read(*(plan(lane=lane) for _ in range(200) for lane in Lane))
        await process.turn(2.0)
        lanes = Counter(
            planned.plan.message.lane
            for planned in process.channels["a"].queue.pull(lambda _flight: True)
        )
    sent = {lane: 200 - lanes[lane] for lane in Lane}
    total = sum(sent.values())
    assert total == pytest.approx(200, rel=0.1)
    assert sent[Lane.URGENT] / total == pytest.approx(8 / 12, rel=0.1)
    assert sent[Lane.STANDARD] / total == pytest.approx(3 / 12, rel=0.1)


async def test_the_rate_is_kept_within_two_percent() -> None:
    world = World(tps=50.0)
    async with world.process() as process:
        process.read(*(plan() for _ in range(700)))
        await process.turn(1.0)
        after_one = len(world.carriers["a"].handed)
        await process.turn(10.0)
        assert len(world.carriers["a"].handed) - after_one == pytest.approx(500, rel=0.02)


async def test_the_first_batch_leaves_at_once_and_those_that_are_not_full_at_intervals() -> None:
    world = World(batch_max=5)
    carrier = world.carriers["a"]
    async with world.process(linger_s=0.05) as process:
        for _ in range(4):
            process.read(plan())
            await process.turn(0.01)
        assert [len(batch) for batch in carrier.batches] == [1]
        await process.turn(0.02)
        assert [len(batch) for batch in carrier.batches] == [1, 3]
        process.read(*(plan() for _ in range(6)))
        await process.turn(0.02)
        assert [len(batch) for batch in carrier.batches] == [1, 3, 5]
        await process.turn(0.05)
    assert [len(batch) for batch in carrier.batches] == [1, 3, 5, 1]


async def test_a_channel_that_is_down_hands_its_queue_back_and_takes_part_again_later() -> None:
    world = World(window=5, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour, carrier.is_reachable = carrier.answers(*[DOWN] * 10_000), False
    async with world.process() as process:
        process.read(*(plan() for _ in range(50)))
        await process.turn(4)
        outcomes = Counter(outcome for _, outcome in world.outcomes())
        assert outcomes == {"failed": 5, "released": 45}
        assert process.channels["a"].breaker.state == State.OPEN
        carrier.behaviour, carrier.is_reachable = carrier.accept, True
        await process.turn(30)
        assert process.channels["a"].is_bound
        process.read(plan())
        await process.turn(1)
        assert process.channels["a"].breaker.seconds_until_probe(0) is None
    assert len(carrier.handed) == 1
    assert len(world.store.claims) == 6


async def test_a_carrier_that_breaks_every_connection_puts_one_window_in_doubt_and_no_more() -> (
    None
):
    world = World(window=10, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour, carrier.is_reachable = carrier.answers(*[Lost("broken")] * 10_000), False
    async with world.process() as process:
        process.read(*(plan() for _ in range(100)))
        await process.turn(10)
    outcomes = Counter(outcome for _, outcome in world.outcomes())
    assert outcomes["in-doubt"] <= 10
    assert outcomes["in-doubt"] + outcomes["released"] == 100


async def test_a_carrier_that_falls_silent_is_given_up_when_its_first_answers_are_overdue() -> None:
    world = World(window=10, batch_max=5)
    carrier = world.carriers["a"]
    carrier.behaviour, carrier.is_reachable = Answering(carrier), False
    async with world.process() as process:
        process.read(*(plan() for _ in range(100)))
        await process.turn(TIMEOUT_S + 1)
    outcomes = Counter(outcome for _, outcome in world.outcomes())
    assert outcomes == {"in-doubt": 10, "released": 90}


async def test_throttling_pauses_the_channel_and_loses_nothing() -> None:
    world = World(batch_max=5)
    carrier = world.carriers["a"]
    throttled = NotTaken(Cause.THROTTLED, Reason.THROTTLED, "http 429", 2.0)
    carrier.behaviour = carrier.answers(throttled)
    async with world.process() as process:
        process.read(*(plan() for _ in range(20)))
        await process.turn(0.1)
        process.read(plan())
        await process.turn(1.0)
        assert process.channels["a"].is_bound
        await process.turn(2.0)
        assert process.channels["a"].throttled == 5
    assert Counter(outcome for _, outcome in world.outcomes()) == {"submitted": 21}


async def test_a_disabled_channel_hands_everything_back() -> None:
    world = World(enabled=False)
    async with world.process() as process:
        process.read(plan(), plan())
        await process.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["released", "released"]
    assert not world.store.claims


async def test_a_new_configuration_keeps_connections_unless_it_changes_them() -> None:
    world = World()
    old = world.carriers["a"]
    async with world.process() as process:
        table, channel = process.table, process.channels["a"]
        table.on_configured("a", configured(tps=5.0, window=3))
        assert channel.carrier is old
        assert channel.window_free == 3
        world.carriers["a"] = FakeCarrier()
        table.on_configured("a", configured(url="http://elsewhere"))
        assert channel.carrier is world.carriers["a"]
        closing = asyncio.ensure_future(table.close_replaced())
        await process.turn(TIMEOUT_S)
        assert not old.is_closed
        await process.turn(TIMEOUT_S * 4)
        assert old.is_closed
        closing.cancel()


async def test_a_replaced_carrier_is_closed_at_the_stop_too() -> None:
    world = World()
    old = world.carriers["a"]
    async with world.process() as process:
        closing = asyncio.ensure_future(process.table.close_replaced())
        process.table.on_configured("a", None)
        await process.turn(1)
        assert not old.is_closed
        closing.cancel()
        await asyncio.wait([closing])
    assert old.is_closed


async def test_a_channel_taken_out_of_the_table_hands_everything_back() -> None:
    world = World()
    async with world.process() as process:
        process.table.on_configured("a", None)
        process.read(plan())
        await process.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["released"]


async def test_reports_come_four_times_a_second_while_something_happens_and_then_stop() -> None:
    world = World(tps=10.0)
    async with world.process() as process:
        reporting = asyncio.ensure_future(process.reporter.run(process.channels))
        await process.turn(1)
        process.read(*(plan() for _ in range(30)))
        await process.turn(2)
        while_busy = len(world.kafka.of(ChannelReported))
        assert 7 <= while_busy <= 10
        await process.turn(5)
        after = len(world.kafka.of(ChannelReported))
        await process.turn(60)
        assert len(world.kafka.of(ChannelReported)) == after
        last = world.kafka.of(ChannelReported)[-1]
        assert (last.backlog, last.window_free, last.bound) == (0, 100, True)
        assert last.countries["FR"].submitted == 30
        reporting.cancel()


async def test_an_idle_process_neither_writes_nor_wakes() -> None:
    world = World("a", "b")
    async with world.process() as process:
        reporting = asyncio.ensure_future(process.reporter.run(process.channels))
        process.read(*(plan() for _ in range(5)))
        await process.turn(30)
        world.store.calls.clear()
        calls = world.kafka.calls
        await process.turn(60)
        assert (world.store.calls, world.kafka.calls) == ([], calls)
        assert world.clock.sleepers == 0
        reporting.cancel()


async def test_a_submit_that_raises_is_in_doubt_once_it_was_written() -> None:
    world = World()
    carrier = world.carriers["a"]

    async def broken(batch: Sequence[Submission], may_write: MayWrite, answered: Answered) -> None:
        may_write()
        raise RuntimeError("a fault of ours")

    carrier.behaviour = broken
    async with world.process() as process:
        process.read(plan())
        await process.turn(1)
    assert [outcome for _, outcome in world.outcomes()] == ["in-doubt"]


async def test_work_of_many_batches_is_gathered_into_one_operation() -> None:
    seen: list[list[int]] = []
    go = asyncio.Event()

    async def work(items: Sequence[int]) -> set[int]:
        seen.append(list(items))
        await go.wait()
        return set(items)

    gathering: Gathering[int, set[int]] = Gathering(work, FakeClock(), 0.0)
    calls = [asyncio.ensure_future(gathering.add([n])) for n in range(5)]
    await settle()
    calls[2].cancel()
    go.set()
    await settle()
    assert seen == [[0], [1, 2, 3, 4]]
    assert await calls[4] == {1, 2, 3, 4}
    assert calls[2].cancelled()


async def test_all_callers_of_a_round_learn_that_it_failed() -> None:
    async def work(items: Sequence[int]) -> None:
        await asyncio.sleep(0)
        raise ValueError(items)

    gathering: Gathering[int, None] = Gathering(work, FakeClock(), 0.0)
    calls = [asyncio.ensure_future(gathering.add([n])) for n in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(result) for result in results] == ["[0]", "[1, 2]", "[1, 2]"]


async def test_a_crash_puts_at_most_a_window_in_doubt_however_slow_the_store_is() -> None:
    world = World(window=7, batch_max=5)
    world.store.away, world.store.only = 10_000, "outcome"
    plans = [plan() for _ in range(30)]
    async with world.process() as process:
        process.read(*plans)
        await process.turn(5)
        assert len(world.carriers["a"].handed) == 7
    world.store.away = 0
    async with world.process() as process:
        process.read(*plans)
        await process.turn(TIMEOUT_S + 2)
    outcomes = Counter(outcome for _, outcome in world.outcomes())
    assert outcomes == {"in-doubt": 7, "submitted": 23}
    assert len(world.carriers["a"].handed) == 30


async def test_a_recipients_next_message_waits_for_the_answer_and_not_for_the_store() -> None:
    world = World()
    world.store.away, world.store.only = 10_000, "outcome"
    async with world.process() as process:
        process.read(*(plan(recipient="+33612345678") for _ in range(3)))
        await process.turn(1)
        assert len(world.carriers["a"].handed) == 3


async def test_what_grows_too_late_in_a_slow_queue_is_said_to_be_expired_at_once() -> None:
    """Not when its turn comes: its last deadline may have passed by then."""
    world = World(tps=0.1)
    async with world.process() as process:
        process.read(plan(), *(plan() for _ in range(20)), late := plan(valid_for_s=5))
        await process.turn(7)
        assert (late.attempt_id, "expired") in world.outcomes()


async def test_a_channel_without_a_session_hands_its_queue_back_and_goes_on_when_it_is_back() -> (
    None
):
    world = World()
    carrier = world.carriers["a"]
    carrier.is_reachable = False
    async with world.process() as process:
        carrier.bound_changed(is_bound=False)
        process.read(*(plan() for _ in range(20)))
        await process.turn(4)
        assert Counter(outcome for _, outcome in world.outcomes()) == {"released": 20}
        assert not process.channels["a"].is_bound
        carrier.bound_changed(is_bound=True)
        process.read(plan())
        await process.turn(1)
    assert len(carrier.handed) == 1
