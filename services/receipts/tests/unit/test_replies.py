"""Replies: which message they answer, and that each is kept once."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.world import TurnedClock

from receipts.metrics import Metrics
from receipts.push.events import Announced, EventType
from receipts.replies.domain import MatchedBy, Sent, conversation_id_of, match
from receipts.replies.service import Replies
from yizhan_contracts.events import ReplyReceived

PHONE = "+8613800000017"


def sent(number: int, *, sender: str = "10690000", account: str = "acme/one") -> Sent:
    at = NOON + timedelta(minutes=number)
    return Sent(message_id_of(number), "acme", f"ref-{number}", sender, account, at)


def reply(**changes: Any) -> ReplyReceived:
    fields = {
        "channel": "acme",
        "carrier_account": "acme/one",
        "carrier_message_id": "mo-1",
        "sender": PHONE,
        "recipient": "10690000",
        "text": "Y",
        "received_at": NOON + timedelta(hours=1),
    }
    return ReplyReceived.model_validate(fields | changes)


def test_it_answers_the_last_message_that_showed_the_number_it_was_sent_to() -> None:
    others = [sent(3, sender="10690001"), sent(4, sender="ACME")]
    found = match(reply(), [sent(1), sent(2), *others])
    assert (found.sent, found.by) == (sent(2), MatchedBy.SENDER)


def test_a_number_with_and_without_its_plus_is_the_same() -> None:
    found = match(reply(recipient="447700900001"), [sent(1, sender="+447700900001")])
    assert found.by is MatchedBy.SENDER


def test_else_the_last_through_the_same_account_of_the_carrier() -> None:
    candidates = [sent(1, sender="ACME"), sent(2, sender="ACME"), sent(3, account="b", sender="X")]
    found = match(reply(), candidates)
    assert (found.sent, found.by) == (candidates[1], MatchedBy.CARRIER)


def test_what_was_sent_after_it_came_is_not_what_it_answers() -> None:
    assert match(reply(received_at=NOON), [sent(1)]).by is MatchedBy.NOTHING


class MemoryReplies:
    def __init__(self, *candidates: Sent) -> None:
        self.replies: dict[str, dict[str, Any]] = {}
        self._candidates = list(candidates)

    async def sent_to(self, phones: Collection[str], since: datetime) -> dict[str, list[Sent]]:
        assert phones == {PHONE}
        return {PHONE: [one for one in self._candidates if one.at >= since]}

    async def insert_replies(self, documents: Sequence[dict[str, Any]]) -> set[str]:
        existing = {one["_id"] for one in documents if one["_id"] in self.replies}
        for one in documents:
            self.replies.setdefault(one["_id"], one)
        return existing


class Told:
    """Who hears of replies."""

    def __init__(self) -> None:
        self.announced: list[Announced] = []

    async def announce(self, announced: Sequence[Announced]) -> None:
        self.announced += announced


def replies_over(store: MemoryReplies, told: Told | None = None) -> Replies:
    return Replies(store, told or Told(), TurnedClock(), Metrics(CollectorRegistry()))


async def test_each_is_kept_once_with_its_account_message_and_reference() -> None:
    store = MemoryReplies(sent(1))
    replies = replies_over(store)
    nameless = reply(carrier_message_id="")
    for _ in range(2):
        await replies.record([reply(), nameless, reply(carrier_message_id="", text="Z"), nameless])
    kept = list(store.replies.values())
    assert [one["text"] for one in kept] == ["Y", "Y", "Z"]
    assert {(one["account_id"], one["message_id"], one["reference"]) for one in kept} == {
        ("acme", message_id_of(1), "ref-1")
    }


async def test_one_that_answers_nothing_of_ours_is_kept_without_an_account() -> None:
    store = MemoryReplies()
    await replies_over(store, told := Told()).record([reply()])
    assert not told.announced
    (kept,) = store.replies.values()
    assert (kept["account_id"], kept["matched_by"]) == ("", "")
    assert "message_id" not in kept


async def test_a_repeat_is_announced_again_as_the_same_event() -> None:
    store, told = MemoryReplies(sent(1)), Told()
    replies = replies_over(store, told)
    await replies.record([reply()])
    await replies.record([reply()])
    first, second = told.announced
    assert first == second
    assert (first.type, first.account_id) == (EventType.REPLY_RECEIVED, "acme")
    assert not first.data, "what a recipient wrote is kept in one place only"


async def test_a_conversation_is_one_for_an_account_a_person_and_a_sender() -> None:
    store = MemoryReplies(sent(1, sender="+10690000"))
    await replies_over(store).record([reply(), reply(carrier_message_id="mo-2", text="N")])
    ours = conversation_id_of("acme", PHONE, "10690000")
    assert {one["conversation_id"] for one in store.replies.values()} == {ours}
    assert conversation_id_of("other", PHONE, "10690000") != ours
