"""SMPP without a socket: what a message is worded as, how its parts end, what comes back."""

from datetime import timedelta

import pytest

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Cause,
    Lost,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.carriers.smpp.incoming import Ids
from carrier_adapter.carriers.smpp.jobs import Job, Outcome
from carrier_adapter.carriers.smpp.statuses import judge
from carrier_adapter.carriers.smpp.tls import TlsError, context
from carrier_adapter.carriers.smpp.wording import Writer
from carrier_adapter.receiving.replies import (
    GIVEN_UP_AFTER,
    CarrierReply,
    Replies,
    ReplyPlace,
)
from yizhan_contracts.events import SmppLongMessages, SmppMessageIds, SmppOptions
from yizhan_contracts.reasons import Reason
from yizhan_smpp import constants as c
from yizhan_smpp.pdu import Message
from yizhan_smpp.receipts import MessageState, Receipt

from .fakes import EPOCH, FakeReplyParts
from .world import configured

OPTIONS = SmppOptions(system_id="yizhan")
THROTTLED = NotTaken(Cause.THROTTLED, Reason.THROTTLED, "ESME_RTHROTTLED")
REFUSED = Refused("11", Reason.NUMBER_INVALID, "ESME_RINVDSTADR")
LOST = Lost("the bind ended without an answer")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x58, THROTTLED),
        (0x14, NotTaken(Cause.THROTTLED, Reason.THROTTLED, "ESME_RMSGQFUL")),
        (0x04, NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "ESME_RINVBNDSTS")),
        (0x0B, REFUSED),
        (0x0A, Refused("10", Reason.SENDER_NOT_REGISTERED, "ESME_RINVSRCADR")),
        (0x08, Refused("8", Reason.CARRIER_ERROR, "ESME_RSYSERR")),
        (0x401, Refused("1025", Reason.NUMBER_VACANT, "0x00000401")),
        (0x402, Refused("1026", Reason.BLACKLISTED, "0x00000402")),
        (0x403, NotTaken(Cause.THROTTLED, Reason.THROTTLED, "0x00000403")),
        (0x404, Refused("1028", Reason.UNKNOWN, "0x00000404")),
    ],
)
def test_statuses_are_judged_by_the_channels_table_first(status: int, said: Answer) -> None:
    own = {
        "1025": Reason.NUMBER_VACANT,
        "0x0402": Reason.BLACKLISTED,
        "1027": Reason.THROTTLED,
    }
    assert judge(status, own) == said


def worded(sender: str, text: str = "hello", **options: object) -> list[Message] | Refused:
    writer = Writer(SmppOptions.model_validate({"system_id": "y", **options}))
    wording = writer.write(Submission("a-1", "+4915112345678", sender, text, 3600), 7)
    return wording if isinstance(wording, Refused) else wording[0]


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("YIZHAN", ("YIZHAN", 5, 0)),
        ("72345", ("72345", 3, 0)),
        ("+4915199999999", ("4915199999999", 1, 1)),
    ],
)
def test_a_sender_is_written_as_what_it_looks_like(
    sender: str, address: tuple[str, int, int]
) -> None:
    messages = worded(sender)
    assert isinstance(messages, list)
    (message,) = messages
    assert (message.source, message.source_ton, message.source_npi) == address
    assert (message.destination, message.destination_ton, message.destination_npi) == (
        "4915112345678",
        1,
        1,
    )
    assert (message.registered_delivery, message.validity) == (1, "000000010000000R")


def test_a_channel_may_want_its_own_kind_of_sender() -> None:
    messages = worded("72345", source_ton=0, source_npi=1, service_type="CMT")
    assert isinstance(messages, list)
    assert (messages[0].source_ton, messages[0].source_npi) == (0, 1)
    assert messages[0].service_type == "CMT"


@pytest.mark.parametrize("sender", ["驿站", "TwelveLetter", "tab\there"])
def test_a_sender_that_smpp_cannot_carry_is_refused(sender: str) -> None:
    refused = worded(sender)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.SENDER_NOT_REGISTERED


def test_a_text_without_end_is_refused() -> None:
    refused = worded("YIZHAN", "a" * 153 * 256)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize("method", SmppLongMessages)
def test_long_texts_go_as_the_channel_says(method: SmppLongMessages) -> None:
    messages = worded("YIZHAN", "a" * 400, long_messages=method)
    assert isinstance(messages, list)
    assert len(messages) == (1 if method is SmppLongMessages.PAYLOAD else 3)


def test_a_vendors_parameter_names_the_attempt_or_its_part() -> None:
    short, long = (worded("YIZHAN", "a" * count, reference_tag=0x1400) for count in (10, 200))
    assert isinstance(short, list)
    assert isinstance(long, list)
    assert [message.tlvs for message in short] == [{0x1400: b"a-1"}]
    assert [message.tlvs for message in long] == [{0x1400: b"a-1/1"}, {0x1400: b"a-1/2"}]


class Parts:
    """A message of so many parts, and the answer that it came to."""

    def __init__(self, count: int) -> None:
        self.answers: list[Answer] = []
        self.is_young = True
        self.job = Job(
            "a-1",
            [Message("1")] * count,
            count,
            lambda: self.is_young,
            lambda _attempt, answer: self.answers.append(answer),
        )
        self.job.under_way = 1

    def settle(self, place: int, outcome: Outcome) -> range:
        self.job.settle(place, outcome)
        places = self.job.next_places()
        self.job.under_way += len(places)
        self.job.conclude()
        return places


def test_the_first_part_asks_and_the_others_follow() -> None:
    parts = Parts(3)
    assert parts.settle(0, "A") == range(1, 3)
    assert parts.settle(2, "C") == range(0)
    assert parts.answers == []
    parts.settle(1, "B")
    assert parts.answers == [Accepted(("A", "B", "C"), 3)]


@pytest.mark.parametrize("outcome", [REFUSED, THROTTLED, TOO_LATE, LOST])
def test_what_the_first_part_is_told_is_the_answer(outcome: Answer) -> None:
    parts = Parts(3)
    assert isinstance(outcome, Refused | NotTaken | Lost)
    assert parts.settle(0, outcome) == range(0)
    assert parts.answers == [outcome]


@pytest.mark.parametrize("outcome", [REFUSED, THROTTLED, TOO_LATE, LOST])
def test_a_message_that_is_taken_in_part_is_in_doubt_with_the_ids_it_has(outcome: Answer) -> None:
    parts = Parts(3)
    assert isinstance(outcome, Refused | NotTaken | Lost)
    parts.settle(0, "A")
    parts.settle(1, outcome)
    parts.settle(2, "C")
    (answer,) = parts.answers
    assert isinstance(answer, Lost)
    assert (answer.carrier_message_ids, answer.segments) == (("A", "C"), 3)
    assert answer.detail.startswith("2 of 3 parts were taken: ")


def test_only_a_throttled_part_beside_others_that_are_there_is_tried_again_while_it_may() -> None:
    parts = Parts(2)
    assert not parts.job.may_retry(THROTTLED)
    parts.settle(0, "A")
    assert parts.job.may_retry(THROTTLED)
    assert not parts.job.may_retry(REFUSED)
    assert not parts.job.may_retry(LOST)
    parts.is_young = False
    assert not parts.job.may_retry(THROTTLED)


def test_an_smsc_that_gives_no_ids_has_taken_it_all_the_same() -> None:
    parts = Parts(1)
    parts.settle(0, "")
    assert parts.answers == [Accepted((), 1)]


@pytest.mark.parametrize(
    ("form", "answer", "receipt", "same"),
    [
        (SmppMessageIds.SAME, "00AB12", Receipt(MessageState.DELIVERED, "", "ab12"), True),
        (SmppMessageIds.SAME, "255", Receipt(MessageState.DELIVERED, "", "ff"), False),
        (SmppMessageIds.HEX_THEN_DECIMAL, "FF", Receipt(MessageState.DELIVERED, "", "0255"), True),
        (SmppMessageIds.HEX_THEN_DECIMAL, "FF", Receipt(MessageState.DELIVERED, "ff"), True),
        (SmppMessageIds.HEX_THEN_DECIMAL, "FF", Receipt(MessageState.DELIVERED, "FF", "255"), True),
        (
            SmppMessageIds.HEX_THEN_DECIMAL,
            "FF",
            Receipt(MessageState.DELIVERED, "255", "255"),
            True,
        ),
        (SmppMessageIds.HEX_THEN_DECIMAL, "10", Receipt(MessageState.DELIVERED, "", "10"), False),
        (SmppMessageIds.DECIMAL_THEN_HEX, "255", Receipt(MessageState.DELIVERED, "", "0FF"), True),
    ],
)
def test_ids_of_receipts_meet_those_of_answers(
    form: SmppMessageIds, answer: str, receipt: Receipt, *, same: bool
) -> None:
    ids = Ids(form)
    assert (ids.of_answer(answer) == ids.of_receipt(receipt)) is same


def test_tls_that_lacks_a_file_is_named_by_its_reference() -> None:
    options = SmppOptions(system_id="y", ca_ref="CA_FILE")
    with pytest.raises(TlsError, match="CA_FILE is named"):
        context(options, {})
    with pytest.raises(TlsError, match="ca_ref CA_FILE") as caught:
        context(options, {"CA_FILE": "/nowhere/secret-path"})
    assert "secret-path" not in str(caught.value)


class Inbox:
    """Replies, with what is kept of them."""

    def __init__(self) -> None:
        self.store = FakeReplyParts()
        self.refusals: list[tuple[str, str]] = []
        numbers = iter(range(100))
        self.replies = Replies(
            self.store,
            lambda: f"id-{next(numbers)}",
            lambda channel, why: self.refusals.append((channel, why)),
        )

    async def come(self, *came: CarrierReply) -> list[str]:
        joined = await self.replies.join(configured(), came, EPOCH)
        await self.replies.drop(joined.part_ids)
        return [reply.text for reply in joined.replies]


def part(number: int, text: str, *, reference: int = 7, total: int = 3) -> CarrierReply:
    return CarrierReply("33600000001", "72345", text, ReplyPlace(reference, total, number))


async def test_a_reply_is_taken_as_it_is() -> None:
    inbox = Inbox()
    joined = await inbox.replies.join(
        configured(), [CarrierReply("33600000001", "72345", "STOP")], EPOCH
    )
    (reply,) = joined.replies
    assert (reply.sender, reply.recipient, reply.text) == ("+33600000001", "72345", "STOP")
    assert (reply.channel, reply.carrier_account) == ("a", configured().carrier_account)


async def test_a_long_reply_is_one_when_its_last_part_is_there_in_whatever_order() -> None:
    inbox = Inbox()
    assert await inbox.come(part(3, "c"), part(1, "a")) == []
    assert await inbox.come(part(1, "a"), part(2, "x", reference=8)) == []
    assert await inbox.come(part(2, "b")) == ["abc"]
    assert list(inbox.store.parts) != []
    assert await inbox.come(part(1, "y", reference=8), part(3, "z", reference=8)) == ["yxz"]
    assert inbox.store.parts == {}


async def test_a_long_reply_put_together_twice_is_the_same() -> None:
    inbox = Inbox()
    came = [part(n, text) for n, text in enumerate("abc", start=1)]
    first = await inbox.replies.join(configured(), came, EPOCH)
    again = await inbox.replies.join(configured(), came[:1], EPOCH)
    assert [reply.carrier_message_id for reply in first.replies] == [
        reply.carrier_message_id for reply in again.replies
    ]


async def test_a_number_that_is_used_again_begins_a_reply_anew() -> None:
    inbox = Inbox()
    assert await inbox.come(part(1, "old"), part(2, "old")) == []
    assert await inbox.come(part(1, "a")) == []
    assert await inbox.come(part(2, "b"), part(3, "c")) == ["abc"]


async def test_what_is_left_of_a_long_reply_goes_out_in_the_end() -> None:
    inbox = Inbox()
    await inbox.come(part(1, "a"), part(3, "c"))
    early = await inbox.replies.left_over(EPOCH + GIVEN_UP_AFTER, 10)
    assert early.replies == []
    late = await inbox.replies.left_over(EPOCH + GIVEN_UP_AFTER + timedelta(seconds=1), 10)
    assert [reply.text for reply in late.replies] == ["a…c"]
    await inbox.replies.drop(late.part_ids)
    assert inbox.store.parts == {}


async def test_a_reply_of_nobody_is_counted_and_blocks_nothing() -> None:
    inbox = Inbox()
    reply = CarrierReply("33600000001", "72345", "yes")
    assert await inbox.come(CarrierReply("INFO", "72345", "spam"), reply) == ["yes"]
    assert inbox.refusals == [("a", "bad-reply")]


def test_statuses_have_the_names_of_the_specification() -> None:
    assert c.status_name(0x58) == "ESME_RTHROTTLED"
