"""Silence: of one message it is acted on, of a whole channel it is not; and nothing is lost."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import pytest
from services.receipts.tests.unit.making import (
    NOON,
    WITH_CALL,
    finished,
    message,
    message_id_of,
    receipt,
)
from services.receipts.tests.unit.world import FEEDS, METRICS, REGISTRY, World

from receipts.ledger.consequences import Story
from receipts.ledger.decisions import Action, HoldBack, decide_swept
from receipts.ledger.facts import Kind
from receipts.ledger.feeds import Feeds, Handed
from receipts.ledger.silence import (
    Cohort,
    FeedTerms,
    Hold,
    Judgement,
    Sample,
    Silent,
    is_missing,
    judge,
)
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    MessageAccepted,
    MessageSettled,
    OverduePolicy,
    Policy,
    ReceiptReceived,
    ReceiptState,
    RerouteRequested,
    Status,
    VoiceRequested,
)

HOUR = 3600.0
TERMS = FeedTerms()
NONE = Sample(0, 0)
LOST = Cohort(Sample(100, 0), Sample(100, 0))
WELL = Cohort(Sample(100, 95), Sample(100, 90))
SOME = Cohort(Sample(100, 60), Sample(100, 60))
REROUTED = Policy(on_overdue=OverduePolicy.REROUTE, max_attempts=2)


def silent(holds: int = 0, last_hold: Hold | None = None, channel: str = "a") -> Silent:
    return Silent(1, channel, NOON, holds, last_hold)


@pytest.mark.parametrize(
    ("cohort", "was_missing", "expected"),
    [
        (LOST, False, True),
        (WELL, False, False),
        (SOME, False, False),
        (SOME, True, True),
        (Cohort(Sample(19, 0), NONE), False, False),
        (Cohort(Sample(20, 0), NONE), False, True),
        (Cohort(Sample(100, 100), Sample(20, 0)), False, True),
        (Cohort(Sample(100, 0), Sample(20, 20)), False, True),
        (Cohort(Sample(100, 100), Sample(19, 0)), False, False),
    ],
)
def test_feed_is_missing_where_most_on_either_side_were_not_heard_of(
    cohort: Cohort, *, was_missing: bool, expected: bool
) -> None:
    assert is_missing(cohort, TERMS, was_missing=was_missing) is expected


@pytest.mark.parametrize(
    ("one", "cohort", "after_s", "expected"),
    [
        (silent(), WELL, 0, Judgement()),
        (silent(), LOST, 0, Judgement(Hold.MISSING, NOON + timedelta(seconds=60))),
        (
            silent(2, Hold.MISSING),
            LOST,
            200,
            Judgement(Hold.MISSING, NOON + timedelta(seconds=440)),
        ),
        (
            silent(9, Hold.MISSING),
            LOST,
            1000,
            Judgement(Hold.MISSING, NOON + timedelta(seconds=1900)),
        ),
        (
            silent(30, Hold.MISSING),
            LOST,
            14_390,
            Judgement(Hold.MISSING, NOON + timedelta(seconds=14_400)),
        ),
        (silent(30, Hold.MISSING), LOST, 14_400, Judgement(is_given_up=True)),
        (
            silent(3, Hold.MISSING),
            WELL,
            500,
            Judgement(Hold.GRACE, NOON + timedelta(seconds=800)),
        ),
        (silent(4, Hold.GRACE), WELL, 800, Judgement()),
        (silent(4, Hold.GRACE), SOME, 800, Judgement(Hold.MISSING, NOON + timedelta(seconds=1700))),
        (silent(channel="mute"), LOST, 0, Judgement()),
    ],
)
def test_silence_is_judged_among_those_around_it(
    one: Silent, cohort: Cohort, after_s: float, expected: Judgement
) -> None:
    terms = TERMS.model_copy(update={"never": frozenset({"mute"})})
    assert judge(one, cohort, terms, NOON + timedelta(seconds=after_s)) == expected


def handed_over(
    numbers: Iterable[int], policy: Policy = WITH_CALL, channel: str = "a"
) -> Sequence[MessageAccepted | AttemptFinished]:
    """Messages of one moment, each taken by a carrier."""
    messages = [message(message_id_of(i), policy=policy) for i in numbers]
    attempts = [
        finished(AttemptOutcome.SUBMITTED, of=of, channel=channel, carrier_message_id=of.message_id)
        for of in messages
    ]
    return [*messages, *attempts]


def told(number: int, state: ReceiptState = ReceiptState.DELIVERED) -> ReceiptReceived:
    message_id = message_id_of(number)
    return receipt(state, message_id=message_id, carrier_message_id=message_id)


def called(world: World) -> set[str]:
    return {event.message_id for event in world.topic.of(VoiceRequested)}


def kinds(world: World) -> list[str]:
    return [fact["kind"] for fact in world.store.facts.values()]


async def test_cut_feed_calls_nobody_and_loses_nobody() -> None:
    world = World()
    await world.hear(*handed_over(range(20)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    await world.full_sweep.sweep()
    assert not called(world)
    assert not world.store.settled
    assert kinds(world).count(Kind.HELD_BACK) == 20
    for _ in range(20):
        world.clock.turn(300)
        await world.sweeper.sweep()
        await world.full_sweep.sweep()
    assert not called(world)
    assert not world.store.settled


async def test_silence_of_a_few_is_called_while_the_others_are_heard() -> None:
    world = World()
    await world.hear(*handed_over(range(20)), *(told(i) for i in range(3, 20)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert called(world) == {message_id_of(i) for i in range(3)}


async def test_silence_of_too_few_to_tell_is_called() -> None:
    world = World()
    await world.hear(*handed_over(range(FEEDS.at_least - 1)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert len(called(world)) == FEEDS.at_least - 1


async def test_another_channel_is_not_held_back_with_it() -> None:
    world = World()
    await world.hear(*handed_over(range(20)), *handed_over(range(20, 40), channel="b"))
    await world.hear(*(told(i) for i in range(21, 40)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert called(world) == {message_id_of(20)}


async def test_receipts_that_come_back_settle_theirs_and_the_rest_is_called_after_a_grace() -> None:
    world = World()
    await world.hear(*handed_over(range(20)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    await world.hear(*(told(i) for i in range(1, 20)))
    assert len(world.store.settled) == 19
    assert {event.revision for event in world.topic.of(MessageSettled)} == {1}
    world.clock.turn(63)
    await world.sweeper.sweep()
    assert not called(world)
    world.clock.turn(FEEDS.grace_s + 3)
    await world.sweeper.sweep()
    assert called(world) == {message_id_of(0)}


async def test_what_is_held_back_too_long_is_unknown_without_a_call() -> None:
    world = World()
    await world.hear(*handed_over(range(10)))
    for _ in range(int((HOUR + FEEDS.longest_s) // 600) + 2):
        world.clock.turn(600)
        await world.sweeper.sweep()
    assert not called(world)
    assert len(world.store.settled) == 10
    assert {event.status for event in world.topic.of(MessageSettled)} == {Status.UNKNOWN}
    await world.hear(told(4))
    assert world.store.settled[message_id_of(4)]["revision"] == 2


async def test_reroutes_and_unknown_are_held_back_too() -> None:
    world = World()
    soon = handed_over(range(10), REROUTED)
    waits = handed_over(range(10, 20), Policy())
    await world.hear(*soon, *waits)
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert not world.topic.of(RerouteRequested)
    assert not world.store.settled


async def test_sweeper_that_died_while_it_held_back_loses_and_calls_nobody() -> None:
    dies_before, has_died = 1, True
    while has_died:
        world = World()
        await world.hear(*handed_over(range(6)))
        world.clock.turn(HOUR + 3)
        has_died = await world.until_done(world.sweeper_sweep, dies_before)
        assert not called(world)
        assert kinds(world).count(Kind.HELD_BACK) == 6
        await world.hear(*(told(i) for i in range(1, 6)))
        for _ in range(3):
            world.clock.turn(FEEDS.grace_s + 3)
            await world.sweeper.sweep()
        assert called(world) == {message_id_of(0)}
        dies_before += 1
    assert dies_before > 12


async def test_two_sweepers_hold_back_once() -> None:
    world = World()
    await world.hear(*handed_over(range(6)))
    world.clock.turn(HOUR + 3)
    first = world.sweeper
    world.restart()
    await first.sweep()
    await world.sweeper.sweep()
    assert kinds(world).count(Kind.HELD_BACK) == 6
    assert not called(world)


async def test_overdue_attempt_is_counted_once_however_often_it_is_held_back() -> None:
    world = World()
    await world.hear(*handed_over(range(6)))
    for _ in range(6):
        world.clock.turn(HOUR + 3)
        await world.sweeper.sweep()
    (report,) = world.deliveries.take_changed(world.clock.now())
    assert report.countries["CN"].overdue == 6


async def test_call_that_was_asked_for_is_not_taken_back() -> None:
    world = World()
    await world.hear(*handed_over([0]))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert called(world) == {message_id_of(0)}
    await world.hear(*handed_over(range(1, 12)))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    assert world.store.settled[message_id_of(0)]["status"] == Status.UNKNOWN


def missing(channel: str) -> float | None:
    return REGISTRY.get_sample_value("yizhan_receipt_feed_missing", {"channel": channel})


async def test_missing_feed_shows_until_receipts_of_what_falls_due_come_again() -> None:
    world = World()
    await world.hear(*handed_over(range(10), channel="shown"))
    world.clock.turn(HOUR + 3)
    await world.sweeper.sweep()
    await world.feeds.look()
    (feed,) = world.feeds.all()
    assert (feed.channel, feed.is_missing, feed.due, feed.heard) == ("shown", True, 10, 0)
    assert missing("shown") == 1
    await world.hear(*(told(i) for i in range(10)))
    world.clock.turn(6)
    await world.feeds.look()
    (feed,) = world.feeds.all()
    assert not feed.is_missing
    assert missing("shown") == 0


class SlowStore:
    """So slow that an answer which is kept at the begin of a look is too old at its end."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handed_over(
        self, channel: str, since: datetime, until: datetime, limit: int, *, newest: bool
    ) -> list[Handed]:
        self._world.clock.turn(2)
        for _ in range(len(channel)):
            await asyncio.sleep(0)
        return await self._world.store.handed_over(channel, since, until, limit, newest=newest)

    async def heard_of(self, message_ids: Collection[str]) -> set[tuple[str, int]]:
        return await self._world.store.heard_of(message_ids)


async def test_judgements_of_two_sweeps_at_once_on_a_slow_store_do_not_disturb_each_other() -> None:
    world = World()
    await world.hear(*handed_over(range(6)), *handed_over(range(6, 12), channel="longer"))
    world.clock.turn(HOUR + 3)
    feeds = Feeds(SlowStore(world), world.clock, METRICS, FEEDS)
    found = await world.ledger.look([message_id_of(i) for i in range(12)])
    stories = [found[message_id_of(i)] for i in range(12)]
    actions = {
        story.state.accepted.message_id: action
        for story in stories
        if story.state.accepted is not None
        for action in (decide_swept(story.state, is_settled=False, now=world.clock.now()),)
        if action is not None
    }
    await feeds.after_silence(stories[:6], actions)
    several = await asyncio.gather(
        feeds.after_silence(stories, actions), look_a_little_later(feeds, stories, actions)
    )
    assert [len(changed) for changed in several] == [12, 12]
    assert all(isinstance(one, HoldBack) for changed in several for one in changed.values())


async def look_a_little_later(
    feeds: Feeds, stories: list[Story], actions: dict[str, Action]
) -> dict[str, Action | None]:
    for _ in range(4):
        await asyncio.sleep(0)
    return await feeds.after_silence(stories, actions)
