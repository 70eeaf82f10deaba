"""Records to the use case: parsed by topic, submitted attempts passed over, waits parked."""

import pytest
from services.router.tests.unit.fakes import Router, channel, finished, message, reroute

from router.handlers import GROUPS, RoutingHandler, parse
from yizhan_contracts.events import AttemptOutcome, Event
from yizhan_contracts.topics import MESSAGE_ACCEPTED
from yizhan_runtime.errors import Poison
from yizhan_runtime.publisher import to_json
from yizhan_runtime.records import RawRecord, Record

TOPICS = [topic for topics in GROUPS.values() for topic in topics]


def raw(event: Event | bytes, topic: str = "", first_seen_ms: int = 0) -> RawRecord:
    value, name = (event, topic) if isinstance(event, bytes) else (to_json(event), event.topic())
    return RawRecord(name, 0, 1, b"0000", value, (), 0, first_seen_ms=first_seen_ms)


def test_every_topic_is_parsed_as_its_event() -> None:
    events = [message(), finished(message(), AttemptOutcome.REFUSED), reroute(message())]
    assert [parse(raw(event)) for event in events] == events
    assert {event.topic() for event in events} <= set(TOPICS)


def test_every_lane_is_read_by_one_group_and_apart_from_the_others() -> None:
    lanes = [topic.name for topic in MESSAGE_ACCEPTED]
    assert sorted(TOPICS) == sorted(set(TOPICS))
    assert set(lanes) <= set(TOPICS)
    assert all(len(set(lanes) & set(topics)) <= 1 for topics in GROUPS.values())


def test_a_submitted_attempt_is_not_even_parsed() -> None:
    fact = finished(message(), AttemptOutcome.SUBMITTED)
    assert parse(raw(fact)) is None
    assert parse(raw(b'{"outcome":"submitted",', fact.topic())) is None


def test_what_a_carrier_wrote_cannot_pass_for_a_submitted_attempt() -> None:
    fact = finished(message(), AttemptOutcome.REFUSED)
    wily = fact.model_copy(update={"detail": '"outcome":"submitted"'})
    assert parse(raw(wily)) == wily


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[1]"])
def test_what_cannot_be_read_is_poison(topic: str, value: bytes) -> None:
    with pytest.raises(Poison):
        parse(raw(value, topic))


def test_a_tombstone_is_poison() -> None:
    with pytest.raises(Poison):
        parse(RawRecord("attempt.finished.v1", 0, 1, b"k", None, (), 0))


async def test_waiting_is_parked_and_costs_no_budget() -> None:
    router = Router(channel("a"))
    router.break_channels("a")
    handler = RoutingHandler(router.use_case)
    fact = finished(message(1), AttemptOutcome.SUBMITTED)
    records = [Record(raw(event), parse(raw(event))) for event in (fact, message(2))]
    (parked,) = await handler.on_batch(records)
    assert parked.record is records[1]
    assert (parked.reason, parked.delay, parked.counts) == ("unreachable", "5s", False)


async def test_a_parked_record_waits_since_it_was_first_seen() -> None:
    router = Router(channel("a"))
    router.break_channels("a")
    long_ago = int((router.clock.now().timestamp() - 60) * 1000)
    waited = raw(message(), first_seen_ms=long_ago)
    assert await RoutingHandler(router.use_case).on_batch([Record(waited, parse(waited))]) == []
    assert router.plan.channel == "a"
