"""Taking shipment events: rules, order, duplicates, crashes between store and publish."""

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.fakes import (
    NOON,
    FakeClock,
    FakeContent,
    FakeInputs,
    FakeMarks,
    FakePublisher,
    FakeStops,
    rich_purse,
)
from services.ingest.tests.unit.making import CA, US, US_OTHER, catalogue, event, random_bits, raws

from ingest.codes import WHAT_TO_DO, Code
from ingest.content.checking import ContentRules
from ingest.content.words import WordList
from ingest.events.parsing import read
from ingest.events.service import Arrival, TakeShipmentEvents
from ingest.metrics import IngestMetrics
from ingest.optouts.domain import Action, Stop
from yizhan_contracts.events import Answer, Lane, OriginKind, ShipmentAnswered
from yizhan_runtime.errors import Retryable


class World:
    """The use case on ports in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.inputs = FakeInputs()
        self.marks = FakeMarks()
        self.publisher = FakePublisher()
        self.content = FakeContent()
        self.stops = FakeStops()
        self.restart()

    def restart(self) -> None:
        """Lose what a process keeps in memory."""
        self.use_case = TakeShipmentEvents(
            catalogue(),
            self.inputs,
            self.marks,
            self.publisher,
            self.content,
            purse=rich_purse(self.inputs, self.clock),
            stops=self.stops,
            clock=self.clock,
            random_bits=random_bits(),
            metrics=IngestMetrics(CollectorRegistry()),
        )

    async def take(self, *events: dict[str, Any] | bytes | None) -> list[ShipmentAnswered]:
        """Take one batch; gives its answers."""
        before = len(self.publisher.answers())
        await self.use_case.take([Arrival(r.origin, NOON, read(r)) for r in raws(events)])
        return self.publisher.answers()[before:]

    async def take_one(self, given: dict[str, Any] | bytes | None) -> ShipmentAnswered:
        (answer,) = await self.take(given)
        return answer


@pytest.fixture
def world() -> World:
    return World()


async def test_a_delivered_parcel_is_told_to_its_recipient(world: World) -> None:
    answer = await world.take_one(event(US, attributes={"tracking_number": "T1"}))
    (message,) = world.publisher.messages()
    assert message.text == "【驿站】包裹T1已签收。"
    assert (message.recipient, message.country, message.lane) == (US, "US", Lane.URGENT)
    assert (message.charging_num, message.reference) == (1, "S1")
    assert message.valid_until == NOON + timedelta(seconds=120)
    assert message.voice_script == "您的包裹已签收。"
    assert message.policy.receipt_timeout_s == 6
    assert (message.origin.kind, message.origin.event_id) == (OriginKind.SHIPMENT_EVENT, "e-1")
    assert message.template is not None
    assert message.template.variables == {"tracking_number": "T1"}
    assert (answer.answer, answer.code, answer.duplicate) == (Answer.ACCEPTED, "", False)
    assert [m.message_id for m in answer.messages] == [message.message_id]
    assert answer.messages[0].rule == "delivered"


async def test_messages_and_answers_go_out_in_one_publish(world: World) -> None:
    await world.take(*(event(US, event_id=f"e-{n}", shipment_id=f"S{n}") for n in range(50)))
    assert world.publisher.publishes == 1
    assert world.inputs.adds == [50]


@pytest.mark.parametrize(
    ("language", "text", "tag"),
    [
        ("en-GB", "[Yizhan] S1 was delivered.", "en"),
        ("zh-TW", "【驛站】包裹S1已簽收。", "zh-Hant"),
        ("fi", "【驿站】包裹S1已签收。", "zh"),
    ],
)
async def test_a_recipient_is_told_in_their_language(
    world: World, language: str, text: str, tag: str
) -> None:
    await world.take_one(event(recipients=[{"phone": US, "language": language}]))
    (message,) = world.publisher.messages()
    assert message.text == text
    assert message.template is not None
    assert message.template.language == tag


@pytest.mark.parametrize(
    ("changes", "answer", "code"),
    [
        ({"account_id": "nobody"}, Answer.REJECTED, Code.ACCOUNT_UNKNOWN),
        ({"account_id": "waiting"}, Answer.REJECTED, Code.ACCOUNT_NOT_VERIFIED),
        ({"milestone": "exception"}, Answer.REJECTED, Code.TEMPLATE_NOT_APPROVED),
        ({"milestone": "created"}, Answer.SUPPRESSED, Code.NO_RULE),
        ({"milestone": "cancelled"}, Answer.SUPPRESSED, Code.NO_RULE),
        ({"milestone": "teleported"}, Answer.SUPPRESSED, Code.MILESTONE_UNKNOWN),
        ({"classifier": "planned"}, Answer.SUPPRESSED, Code.NOT_HAPPENED),
        ({"classifier": "estimated"}, Answer.SUPPRESSED, Code.NOT_HAPPENED),
        ({"occurred_at": "2026-11-22T11:59:59Z"}, Answer.SUPPRESSED, Code.TOO_OLD),
        (
            {"recipients": [{"phone": "07700 900123"}]},
            Answer.REJECTED,
            Code.NUMBER_COUNTRY_CODE_MISSING,
        ),
        ({"recipients": [{"phone": "+442079460000"}]}, Answer.REJECTED, Code.NUMBER_NOT_MOBILE),
        ({"milestone": "arrived"}, Answer.REJECTED, Code.VARIABLE_MISSING),
        (
            {"milestone": "arrived", "attributes": {"place": "a very long place"}},
            Answer.REJECTED,
            Code.VARIABLE_TOO_LONG,
        ),
        (
            {"milestone": "arrived", "attributes": {"place": "7"}},
            Answer.REJECTED,
            Code.VARIABLE_INVALID,
        ),
    ],
)
async def test_what_notifies_nobody_is_answered_with_its_code(
    world: World, changes: dict[str, Any], answer: Answer, code: Code
) -> None:
    told = await world.take_one(event(**changes))
    assert (told.answer, told.code) == (answer, code)
    assert WHAT_TO_DO[code] in told.detail
    assert world.publisher.messages() == []
    assert world.inputs.stored == {}


async def test_who_wants_no_messages_is_told_nothing_and_the_others_are(world: World) -> None:
    out = Stop("shop", US, {Action.OPT_OUT: NOON})
    world.stops.stopped[("shop", US)] = (out,)
    answer = await world.take_one(event(US, US_OTHER))
    assert [(m.answer, m.code) for m in answer.messages] == [
        (Answer.SUPPRESSED, Code.RECIPIENT_OPTED_OUT),
        (Answer.ACCEPTED, ""),
    ]
    (message,) = world.publisher.messages()
    assert message.recipient == US_OTHER


async def test_what_a_text_may_not_say_is_answered_for_its_recipient_alone(world: World) -> None:
    world.content.current = ContentRules(sensitive=WordList(["casino"]))
    good, bad = event(event_id="e-1"), event(event_id="e-2")
    bad["attributes"] = {"tracking_number": "the casino"}
    one, other = await world.take(good, bad)
    assert (one.answer, other.answer) == (Answer.ACCEPTED, Answer.REJECTED)
    assert other.code == Code.CONTENT_SENSITIVE_WORD
    assert "character 5 of variables.tracking_number" in other.detail
    assert len(world.publisher.messages()) == 1


@pytest.mark.parametrize("given", [None, b"", b"garbage", b"{}", b"\xff"])
async def test_a_record_that_cannot_be_read_is_answered_too(
    world: World, given: bytes | None
) -> None:
    told, fine = await world.take(given, event())
    assert (told.answer, told.code) == (Answer.REJECTED, Code.MALFORMED)
    assert (told.origin, told.key()) == ("shipment.updated.v1/0/0", "S1")
    assert fine.answer is Answer.ACCEPTED


async def test_a_bad_recipient_leaves_the_others(world: World) -> None:
    recipients = [{"phone": US}, {"phone": "123"}, {"phone": 5}, {"phone": US_OTHER}]
    told = await world.take_one(event(recipients=recipients))
    assert (told.answer, told.code) == (Answer.ACCEPTED, Code.PARTLY_ACCEPTED)
    assert [(m.recipient_index, m.answer, m.code) for m in told.messages] == [
        (0, Answer.ACCEPTED, ""),
        (1, Answer.REJECTED, Code.NUMBER_COUNTRY_CODE_MISSING),
        (2, Answer.REJECTED, Code.RECIPIENT_MALFORMED),
        (3, Answer.ACCEPTED, ""),
    ]
    assert len(world.publisher.messages()) == 2


async def test_a_number_twice_in_an_event_is_one_message(world: World) -> None:
    told = await world.take_one(event(US, f"00{US[1:]}", "12"))
    assert [m.code for m in told.messages] == [
        "",
        Code.RECIPIENT_REPEATED,
        Code.NUMBER_COUNTRY_CODE_MISSING,
    ]
    assert len(world.publisher.messages()) == 1


# ---- duplicates and crashes -----------------------------------------------------------------


async def test_a_repeated_event_publishes_the_same_message_again(world: World) -> None:
    first = await world.take_one(event())
    world.clock.turn(60)
    world.restart()
    second = await world.take_one(event())
    one, again = world.publisher.messages()
    assert one == again
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.messages == second.messages


async def test_an_event_twice_in_one_batch_is_one_message(world: World) -> None:
    first, second = await world.take(event(), event())
    assert len(world.publisher.messages()) == 1
    assert first.messages == second.messages
    assert (first.duplicate, second.duplicate) == (False, True)


async def test_another_revision_is_another_event(world: World) -> None:
    await world.take(event(), event(revision="2"))
    assert len({m.message_id for m in world.publisher.messages()}) == 2


async def test_two_accounts_may_use_the_same_event_ids(world: World) -> None:
    await world.take(event(), event(account_id="other"))
    assert len({m.message_id for m in world.publisher.messages()}) == 2


async def test_a_crash_between_store_and_publish_keeps_the_ids(world: World) -> None:
    batch = [event(US, event_id=f"e-{n}", shipment_id=f"S{n}") for n in range(5)]
    world.publisher.failures = 1
    with pytest.raises(Retryable):
        await world.take(*batch)
    stored = {item.message.message_id for item in world.inputs.stored.values()}
    world.restart()
    await world.take(*batch)
    assert {m.message_id for m in world.publisher.messages()} == stored
    assert len(stored) == 5


@pytest.mark.parametrize(
    "lapse", [timedelta(days=3), timedelta(seconds=1)], ids=["too old by now", "in time"]
)
async def test_what_was_stored_is_published_even_if_it_would_be_refused_now(
    world: World, lapse: timedelta
) -> None:
    world.publisher.failures = 1
    with pytest.raises(Retryable):
        await world.take(event(milestone="arrived", attributes={"place": "Bonn"}), event())
    world.restart()
    world.clock.turn(lapse.total_seconds())
    answers = await world.take(event(milestone="arrived", attributes={"place": "Bonn"}), event())
    assert [a.answer for a in answers] == [Answer.ACCEPTED, Answer.ACCEPTED]
    assert len({m.message_id for m in world.publisher.messages()}) == 2


async def test_an_input_stored_by_another_meanwhile_counts(world: World) -> None:
    """Between our look and our write somebody else took the same event: theirs are the ids."""
    theirs = World()
    await theirs.take_one(event())
    world.clock.turn(1)
    world.inputs.rivals = list(theirs.inputs.stored.values())
    told = await world.take_one(event())
    assert world.publisher.messages() == theirs.publisher.messages()
    assert told.duplicate


async def test_a_store_that_is_away_publishes_nothing(world: World) -> None:
    world.inputs.away = True
    with pytest.raises(Retryable):
        await world.take(event())
    assert world.publisher.published == []


# ---- order ----------------------------------------------------------------------------------

PLACE = {"attributes": {"place": "Bonn"}}


def late(milestone: str, **changes: Any) -> dict[str, Any]:
    return event(event_id=f"late-{milestone}", milestone=milestone, **{**PLACE, **changes})


@pytest.mark.parametrize("milestone", ["in-transit", "arrived"])
@pytest.mark.parametrize("batches", [1, 2])
async def test_after_delivered_the_way_is_no_news(
    world: World, milestone: str, batches: int
) -> None:
    if batches == 1:
        _, told = await world.take(event(), late(milestone))
    else:
        await world.take(event())
        told = await world.take_one(late(milestone))
    assert (told.answer, told.code) == (Answer.SUPPRESSED, Code.SUPERSEDED)


@pytest.mark.parametrize(
    ("end", "milestone", "code"),
    [
        ("return-completed", "delivered", Code.SUPERSEDED),
        ("return-completed", "return-accepted", Code.SUPERSEDED),
        ("return-completed", "arrived", Code.SUPERSEDED),
        ("return-completed", "refund-updated", ""),
        ("delivered", "return-accepted", ""),
        ("delivered", "return-completed", ""),
        ("delivered", "delivered", ""),
    ],
)
async def test_what_an_end_stops(world: World, end: str, milestone: str, code: str) -> None:
    _, told = await world.take(event(milestone=end), late(milestone))
    assert told.code == code


@pytest.mark.parametrize(
    ("occurred_at", "code"),
    [("2026-11-23T11:00:00Z", Code.SUPERSEDED), ("2026-11-23T12:30:00Z", "")],
)
async def test_a_delay_after_the_end_is_news_only_if_it_happened_after(
    world: World, occurred_at: str, code: str
) -> None:
    _, told = await world.take(event(), late("delayed", occurred_at=occurred_at))
    assert told.code == code


@pytest.mark.parametrize(
    "end",
    [
        event(classifier="planned"),
        event(account_id="other"),
        event(shipment_id="S2"),
    ],
)
async def test_ends_that_are_none_stop_nothing(world: World, end: dict[str, Any]) -> None:
    _, told = await world.take(end, late("arrived"))
    assert told.answer is Answer.ACCEPTED


async def test_an_end_counts_even_if_nobody_is_told_of_it(world: World) -> None:
    _, told = await world.take(event("12"), late("arrived"))
    assert told.code == Code.SUPERSEDED


async def test_a_message_stored_before_the_end_is_still_published_after_it(world: World) -> None:
    """The same batch again after a crash: the end's mark is there now, the message was first."""
    world.publisher.failures = 1
    with pytest.raises(Retryable):
        await world.take(late("arrived"), event())
    world.restart()
    answers = await world.take(late("arrived"), event())
    assert [a.answer for a in answers] == [Answer.ACCEPTED, Answer.ACCEPTED]
    assert len(world.publisher.messages()) == 2


async def test_a_rule_that_notifies_once_does(world: World) -> None:
    first, second = await world.take(
        event(event_id="1", milestone="in-transit", **PLACE),
        event(event_id="2", milestone="in-transit", **PLACE),
    )
    third = await world.take_one(event(event_id="3", milestone="in-transit", **PLACE))
    assert [a.code for a in (first, second, third)] == [
        "",
        Code.ALREADY_NOTIFIED,
        Code.ALREADY_NOTIFIED,
    ]
    again = await world.take_one(event(event_id="1", milestone="in-transit", **PLACE))
    assert (again.code, again.duplicate) == ("", True)


async def test_once_is_per_recipient_and_shipment(world: World) -> None:
    answers = await world.take(
        event(US, event_id="1", milestone="in-transit", **PLACE),
        event(CA, event_id="2", milestone="in-transit", **PLACE),
        event(US, event_id="3", milestone="in-transit", shipment_id="S2", **PLACE),
    )
    assert [a.code for a in answers] == ["", "", ""]


async def test_a_mark_set_by_another_meanwhile_counts(world: World) -> None:
    theirs = World()
    await theirs.take_one(event(event_id="theirs", milestone="in-transit", **PLACE))
    world.marks.rivals = list(theirs.marks.stored.values())
    told = await world.take_one(event(event_id="ours", milestone="in-transit", **PLACE))
    assert told.code == Code.ALREADY_NOTIFIED
    assert world.inputs.stored == {}


async def test_a_crash_between_mark_and_message_does_not_silence_the_event(world: World) -> None:
    given = event(milestone="in-transit", **PLACE)
    await world.take_one(given)
    world.inputs.stored.clear()
    assert (await world.take_one(given)).answer is Answer.ACCEPTED
