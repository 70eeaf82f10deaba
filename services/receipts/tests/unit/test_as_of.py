"""As of when the ledger is complete: never later than what is committed allows."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from services.receipts.tests.unit.making import NOON
from services.receipts.tests.unit.world import TurnedClock

from receipts.log.as_of import Completeness, Look, Looks
from yizhan_runtime import Retryable
from yizhan_runtime.progress import Place, Progress

A: Place = ("receipts", "message.accepted.v1", 0)
B: Place = ("receipts", "receipt.received.v1", 3)
RETRY: Place = ("receipts-retry-5s", "receipts.retry.5s", 0)


class Kafka:
    """Where topics end and what is committed, as told; it can be away."""

    def __init__(self) -> None:
        self.ends: dict[Place, int] = {A: 0, B: 0, RETRY: 0}
        self.committed: dict[Place, int] = {A: 0, B: 0, RETRY: 0}
        self.is_away = False

    async def ask(self) -> Progress:
        if self.is_away:
            raise Retryable("Kafka does not answer")
        return Progress(dict(self.ends), dict(self.committed))

    async def close(self) -> None:
        pass


def watching() -> tuple[Kafka, TurnedClock, Completeness]:
    kafka, clock = Kafka(), TurnedClock()
    return kafka, clock, Completeness(kafka, frozenset({RETRY[0]}), clock)


async def test_all_that_is_read_is_complete_as_of_now() -> None:
    kafka, clock, completeness = watching()
    kafka.ends[A] = kafka.committed[A] = 7
    assert completeness.now().complete_until is None
    await completeness.look()
    told = completeness.now()
    assert (told.complete_until, told.looked_at, told.unread) == (NOON, NOON, 0)
    assert told.note == ""
    clock.turn(1)
    await completeness.look()
    assert completeness.now().complete_until == NOON + timedelta(seconds=1)


async def test_what_came_later_and_is_not_read_holds_back_only_its_own_time() -> None:
    kafka, clock, completeness = watching()
    await completeness.look()
    clock.turn(1)
    kafka.ends |= {A: 5, B: 5}
    await completeness.look()
    clock.turn(1)
    kafka.ends |= {A: 9, B: 9}
    kafka.committed |= {A: 9, B: 4}
    await completeness.look()
    told = completeness.now()
    assert (told.complete_until, told.unread) == (NOON, 5)
    kafka.committed[B] = 5
    clock.turn(1)
    await completeness.look()
    assert completeness.now().complete_until == NOON + timedelta(seconds=1)


async def test_a_backlog_from_before_the_start_is_told_by_its_size() -> None:
    kafka, _, completeness = watching()
    kafka.ends[A] = 100
    await completeness.look()
    told = completeness.now()
    assert told.complete_until is None
    assert "100 records" in told.note


async def test_what_is_set_aside_is_counted_and_holds_nothing_up() -> None:
    kafka, _, completeness = watching()
    kafka.ends[RETRY] = 2
    await completeness.look()
    told = completeness.now()
    assert (told.complete_until, told.set_aside) == (NOON, 2)
    assert "set aside" in told.note


async def test_while_kafka_is_away_what_was_known_stays_with_its_time() -> None:
    kafka, clock, completeness = watching()
    await completeness.look()
    kafka.is_away = True
    clock.turn(60)
    await completeness.look()
    told = completeness.now()
    assert (told.complete_until, told.looked_at) == (NOON, NOON)
    assert "not known" in told.note
    kafka.is_away = False
    await completeness.look()
    assert completeness.now().note == ""


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_a_time_is_never_called_complete_before_all_of_it_is_committed(
    steps: list[tuple[int, int]],
) -> None:
    looks, end, committed = Looks(), 0, 0
    ends = []
    for number, (more, read) in enumerate(steps):
        end, committed = end + more, min(committed + read, end + more)
        ends.append(end)
        looks.add(Look(NOON + timedelta(seconds=number), {A: end}), {A: committed})
        complete = [i for i, at_end in enumerate(ends) if at_end <= committed]
        expected = NOON + timedelta(seconds=complete[-1]) if complete else None
        assert looks.complete_until == expected


def test_a_long_backlog_takes_no_more_room_than_a_short_one() -> None:
    looks = Looks()
    for number in range(10_000):
        looks.add(Look(NOON + timedelta(seconds=number), {A: number + 1}), {A: 0})
    assert len(looks._open) <= 1_000
    looks.add(Look(NOON + timedelta(seconds=10_000), {A: 10_001}), {A: 10_000})
    assert looks.complete_until is not None
    # Coarser, not wrong: within some minutes of what is true.
    behind = NOON + timedelta(seconds=9_999) - looks.complete_until
    assert timedelta(0) <= behind < timedelta(seconds=100)
