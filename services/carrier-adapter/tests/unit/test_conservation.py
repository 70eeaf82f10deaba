"""Claims against outcomes: what has none is under way, or named."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from carrier_adapter.conservation import (
    MIN_AGE_S,
    Conservation,
    ConservationWatch,
    State,
)
from carrier_adapter.domain.claims import Claim, ClaimKind, Outcome
from carrier_adapter.metrics import AdapterMetrics
from yizhan_contracts import ids

from .fakes import FakeClaimReader, FakeClock, FakeStore


def attempt(clock: FakeClock, number: int) -> str:
    at_ms = int(clock.now().timestamp() * 1000)
    return ids.attempt_id(ids.new_message_id("+33600000001", at_ms, lambda _: number), 1)


def claim(store: FakeStore, clock: FakeClock, number: int, kind: ClaimKind = ClaimKind.SENT) -> str:
    attempt_id = attempt(clock, number)
    store.claims[attempt_id] = Claim(attempt_id, 1, "ab"[number % 2], "one", kind, clock.now())
    return attempt_id


def finish(store: FakeStore, attempt_id: str) -> None:
    store.outcomes[attempt_id] = Outcome(attempt_id, (b"{}",))


async def test_claims_balance_by_channel_and_what_has_no_outcome_is_named_when_it_is_late() -> None:
    store, clock = FakeStore(), FakeClock()
    claimed = [claim(store, clock, number) for number in range(8)]
    claim(store, clock, 8, ClaimKind.CLOSED)
    for attempt_id in claimed[:5]:
        finish(store, attempt_id)
    clock.jump(10)
    conservation = Conservation(FakeClaimReader(store), clock)
    found = await conservation.count(None, None)
    assert [(one.channel, one.claimed, one.finished) for one in found.channels] == [
        ("a", 4, 3),
        ("b", 4, 2),
    ]
    assert [(one.closed, one.under_way) for one in found.channels] == [(1, 1), (0, 2)]
    assert not found.without_outcome
    clock.jump(MIN_AGE_S)
    found = await conservation.count(None, None)
    assert found.without_outcome == sorted(claimed[5:])
    assert [one.without_outcome for one in found.channels] == [1, 2]
    assert (await conservation.count(clock.now(), clock.now() + timedelta(1))).channels == []


async def test_watch_shows_what_has_no_outcome_and_reads_no_claim_where_all_is_even() -> None:
    store, clock, registry = FakeStore(), FakeClock(), CollectorRegistry()
    reader = FakeClaimReader(store)
    conservation = Conservation(reader, clock)
    watch = ConservationWatch(conservation, clock, AdapterMetrics(registry), reach_s=86_400.0)
    claimed = [claim(store, clock, number) for number in range(4)]
    assert not await watch.look()
    clock.jump(1000)
    without, of_each = State.WITHOUT_OUTCOME, {"a": 2, "b": 2}
    assert +(await watch.look()) == {
        (channel, state): count
        for channel, count in of_each.items()
        for state in (State.CLAIMED, without)
    }
    name = "yizhan_adapter_conservation_attempts"
    assert registry.get_sample_value(name, {"channel": "a", "state": without}) == 2
    for attempt_id in claimed:
        finish(store, attempt_id)
    reader.pages = 0
    clock.jump(2000)
    assert await watch.look() == {("a", State.CLAIMED): 2, ("b", State.CLAIMED): 2}
    assert registry.get_sample_value(name, {"channel": "a", "state": without}) is None
    assert reader.pages == 0
