"""What-if: what is known is used, what is not is said, and nothing is counted twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from libs.telecom.tests.unit.reports import EPOCH
from libs.telecom.tests.unit.test_choice import channel

from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    ReceiptReceived,
    ReceiptState,
)
from yizhan_telecom.choice import Table
from yizhan_telecom.what_if import Basis, Experience, History, Story, measured, replay

Event = MessageAccepted | AttemptFinished | ReceiptReceived


def message(number: int, country: str = "FR") -> MessageAccepted:
    at = EPOCH + timedelta(seconds=number)
    recipient = f"+336{number:08d}"
    made_ms = int(at.timestamp() * 1000)
    return MessageAccepted(
        message_id=ids.new_message_id(recipient, made_ms, lambda _: number),
        account_id="shop",
        lane=Lane.STANDARD,
        recipient=recipient,
        country=country,
        sender="SHOP",
        text="Your parcel is on its way.",
        charging_num=1,
        policy=Policy(),
        origin=Origin(kind=OriginKind.API, arrived_at=at),
        accepted_at=at,
        valid_until=at + timedelta(hours=1),
    )


def events_of(
    number: int,
    taken_by: str = "a",
    receipt: ReceiptState | None = ReceiptState.DELIVERED,
    country: str = "FR",
    outcome: AttemptOutcome = AttemptOutcome.SUBMITTED,
) -> Iterator[Event]:
    """A message, its attempt, and its receipt two seconds later."""
    accepted = message(number, country)
    yield accepted
    yield AttemptFinished(
        attempt_id=ids.attempt_id(accepted.message_id, 1),
        message_id=accepted.message_id,
        n=1,
        channel=taken_by,
        carrier_account=taken_by,
        outcome=outcome,
        carrier_message_id=f"c{number}",
        country=country,
        finished_at=accepted.accepted_at,
    )
    if receipt is not None:
        yield ReceiptReceived(
            channel=taken_by,
            carrier_account=taken_by,
            carrier_message_id=f"c{number}",
            state=receipt,
            received_at=accepted.accepted_at + timedelta(seconds=2),
        )


def stories_of(*events: Event) -> list[Story]:
    history = History()
    for event in events:
        history.take(event)
    return history.stories()


def usual(count: int = 100, lost: int = 10, country: str = "FR") -> list[Event]:
    """Messages by channel a, some of which a receipt calls failed."""
    return [
        event
        for number in range(count)
        for event in events_of(
            number,
            receipt=ReceiptState.FAILED if number < lost else ReceiptState.DELIVERED,
            country=country,
        )
    ]


A, B = channel("a", price=0.05), channel("b", price=0.02, priority=20)


def test_any_order_and_any_repeat_tell_the_same_story() -> None:
    events = usual(20, lost=3)
    again = [*reversed(events), *events]
    one, other = measured(stories_of(*events), Table([A])), measured(stories_of(*again), Table([A]))
    assert one == other
    assert (one.messages, one.delivered) == (20, 17)


def test_what_happened_is_counted() -> None:
    outlook = measured(stories_of(*usual()), Table([A, B]))
    assert outlook.delivered / outlook.judged == 0.9
    assert outlook.cost == pytest.approx(100 * 0.05)
    assert outlook.seconds / outlook.delivered == pytest.approx(2.0)
    assert outlook.channels["a"].first == 100


def test_a_message_without_a_receipt_yet_counts_neither_for_nor_against() -> None:
    young = [e for number in range(100, 150) for e in events_of(number, receipt=None)]
    outlook = measured(stories_of(*usual(), *young), Table([A]))
    assert (outlook.messages, outlook.judged, outlook.delivered) == (150, 100, 90)
    told = Experience(stories_of(*usual())).expected("a", "FR")
    assert Experience(stories_of(*usual(), *young)).expected("a", "FR").delivered == told.delivered


def test_the_same_table_comes_to_what_was_measured() -> None:
    stories = stories_of(*usual(1_000, lost=100))
    now = measured(stories, Table([A, B]))
    then = replay(stories, Table([A, B]), Experience(stories))
    assert then.delivered == pytest.approx(now.delivered, rel=0.01)
    assert then.cost == pytest.approx(now.cost, rel=0.01)
    assert not then.unseen


def test_a_channel_that_nobody_knows_is_a_guess_and_said_to_be_one() -> None:
    stories = stories_of(*usual())
    then = replay(stories, Table([B]), Experience(stories))
    assert then.channels["b"].bases == {Basis.PRIOR: 100}
    assert then.unseen == {("b", "FR", Basis.PRIOR): 100}
    assert then.cost < 100 * 0.021


def test_a_channel_known_elsewhere_is_taken_to_do_as_there() -> None:
    stories = stories_of(*usual(200, lost=60, country="DE"))
    expected = Experience(stories).expected("a", "FR")
    assert expected.basis is Basis.ELSEWHERE
    assert expected.delivered == pytest.approx(0.7, abs=0.05)


def test_what_a_submit_loses_goes_on_to_the_next_channel() -> None:
    failed = [
        event
        for number in range(200)
        for event in events_of(
            number,
            outcome=AttemptOutcome.FAILED if number % 2 else AttemptOutcome.SUBMITTED,
            receipt=None if number % 2 else ReceiptState.DELIVERED,
        )
    ]
    stories = stories_of(*failed)
    then = replay(stories, Table([A, B]), Experience(stories))
    assert then.channels["a"].accepted == pytest.approx(100, rel=0.1)
    assert then.channels["b"].accepted == pytest.approx(100, rel=0.1)
    assert then.channels["b"].first == 0


def test_who_has_no_route_is_counted_with_its_reason() -> None:
    stories = stories_of(*usual(10, lost=0))
    off = channel("a", enabled=False)
    then = replay(stories, Table([off]), Experience(stories))
    assert dict(then.unroutable) == {"FR: no-route (disabled)": 10}
    assert then.delivered == 0


def test_a_full_channel_spills_in_the_replay_too() -> None:
    crowd = [event for number in range(500) for event in events_of(number)]
    stories = stories_of(*crowd)
    narrow = channel("a", tps=0.5)
    then = replay(stories, Table([narrow, channel("b", priority=20)]), Experience(stories))
    assert 200 <= then.channels["a"].first <= 300
