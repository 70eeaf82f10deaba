"""Replies are found by whom and to what, page by page; conversations have both directions."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.receipts.tests.unit.edge import Edge, MemoryReplyReader
from services.receipts.tests.unit.making import NOON, RECIPIENT, finished, message, message_id_of
from services.receipts.tests.unit.world import TurnedClock, World

from receipts.log.domain import BadQuery
from receipts.replies.conversations import Moment
from receipts.replies.domain import conversation_id_of
from receipts.replies.searching import Place, ReplySearch, Wanted
from yizhan_contracts.events import AttemptOutcome

PERSONAL = "acme:read+read:personal"
CONVERSATION = conversation_id_of("acme", RECIPIENT, "ACME")


def reply(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "_id": f"mo-{number}",
        "account_id": "acme",
        "phone": RECIPIENT,
        "to": "ACME",
        "text": f"好的{number % 2}",
        "channel": "a",
        "message_id": message_id_of(1),
        "conversation_id": CONVERSATION,
        "received_at": NOON + timedelta(milliseconds=number // 2),
    } | changes


WANTED = st.sampled_from(
    [
        Wanted(account_id="acme"),
        Wanted(phone=RECIPIENT),
        Wanted(phone=RECIPIENT, account_id="acme"),
        Wanted(message_id=message_id_of(1), text="好的1"),
        Wanted(conversation_id=CONVERSATION, account_id="other"),
        Wanted(phone=RECIPIENT, since=NOON + timedelta(milliseconds=3)),
        Wanted(account_id="acme", until=NOON + timedelta(milliseconds=7)),
    ]
)
REPLIES = st.lists(
    st.tuples(st.sampled_from(["acme", "other"]), st.sampled_from([RECIPIENT, "+447700900001"])),
    max_size=30,
)


@settings(deadline=None)
@given(REPLIES, WANTED, st.integers(1, 5))
async def test_pages_are_all_replies_in_order_once(
    whose: list[tuple[str, str]], wanted: Wanted, limit: int
) -> None:
    replies = [
        reply(number, account_id=account, phone=phone)
        for number, (account, phone) in enumerate(whose)
    ]
    search = ReplySearch(MemoryReplyReader(replies), TurnedClock())
    found: list[Any] = []
    place = None
    while True:
        page = await search.search(wanted, limit, place)
        assert page.is_complete
        found += page.replies
        if page.next is None:
            break
        place = Place.of_text(page.next.text)
    expected = [
        one
        for one in replies
        if wanted.fits(one)
        and (wanted.since is None or one["received_at"] >= wanted.since)
        and (wanted.until is None or one["received_at"] < wanted.until)
    ]
    assert found == sorted(expected, key=Place.of, reverse=True)


def test_replies_of_nobody_in_particular_are_not_searched() -> None:
    with pytest.raises(BadQuery, match="name a phone"):
        Wanted(text="x").key  # noqa: B018 - it is what raises


@pytest.mark.parametrize("text", ["", "zz", "r" * 13, "ffffffffffffmo-1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        Place.of_text(text)
    with pytest.raises(BadQuery):
        Moment.of_text(text)


@pytest.mark.parametrize(
    "asked",
    [
        {"phone": RECIPIENT},
        {"account_id": "acme"},
        {"message_id": message_id_of(1)},
        {"conversation_id": CONVERSATION},
        {"phone": RECIPIENT, "text": "好"},
    ],
)
async def test_replies_are_searched_by_what_one_knows_of_them(asked: dict[str, str]) -> None:
    edge = Edge(World())
    edge.replies += [reply(1), reply(3), reply(5, account_id="other", text="Y")]
    status, answer = await edge.ask("/v1/replies", PERSONAL, **asked, shows="text")
    assert status == 200
    assert [one["reply_id"] for one in answer["replies"]] == ["mo-3", "mo-1"]
    assert answer["replies"][0]["text"] == "好的1"
    assert (answer["next"], answer["complete"]) == (None, True)


async def test_replies_go_on_by_their_cursor() -> None:
    edge = Edge(World())
    edge.replies += [reply(number) for number in range(5)]
    found: list[str] = []
    more: dict[str, Any] = {}
    for _ in range(3):
        _, answer = await edge.ask("/v1/replies", PERSONAL, phone=RECIPIENT, limit=2, **more)
        found += [one["reply_id"] for one in answer["replies"]]
        more = {"cursor": answer["next"]}
    assert found == ["mo-4", "mo-3", "mo-2", "mo-1", "mo-0"]


def conversing() -> tuple[World, list[str]]:
    """Messages 0, 10, 20, ... of acme, and one of another account."""
    world = World()
    world.clock.turn(60)
    return world, [message_id_of(number) for number in range(0, 60, 10)]


async def hear(world: World, ids: list[str]) -> None:
    for message_id in ids:
        of = message(message_id)
        await world.hear(of, finished(AttemptOutcome.SUBMITTED, of=of, sender="ACME"))
    await world.hear(message(message_id_of(7), account_id="other"))


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_a_conversation_has_both_directions_in_the_order_of_time(limit: int) -> None:
    world, ids = conversing()
    await hear(world, ids)
    edge = Edge(world)
    # Two of the same millisecond, one of them that of a message.
    edge.replies += [reply(number) for number in (20, 21, 30, 31, 90)]
    edge.replies.append(reply(40, account_id="other"))
    found: list[tuple[str, str]] = []
    more: dict[str, Any] = {}
    while True:
        status, answer = await edge.ask(
            "/v1/conversations", PERSONAL, phone=RECIPIENT, limit=limit, **more
        )
        assert status == 200
        assert len(answer["entries"]) <= limit
        found += [_of(entry) for entry in answer["entries"]]
        if answer["next"] is None:
            break
        more = {"cursor": answer["next"]}
    sent = [((10 * n, 0), ("sent", one)) for n, one in enumerate(ids)]
    came = [((n // 2, n), ("received", f"mo-{n}")) for n in (20, 21, 30, 31, 90)]
    in_order = [one for _, one in sorted(sent + came, reverse=True)]
    assert found == in_order


def _of(entry: dict[str, Any]) -> tuple[str, str]:
    of_message, of_reply = entry["message"], entry["reply"]
    named = of_message["message_id"] if of_message else of_reply["reply_id"]
    return entry["direction"], named


async def test_a_reply_is_in_the_conversation_of_the_message_that_it_answers() -> None:
    world, ids = conversing()
    await hear(world, ids[:1])
    edge = Edge(world)
    edge.replies += [reply(2), reply(4, conversation_id="f" * 32)]
    asked = {"phone": RECIPIENT, "account_id": "acme"}
    _, answer = await edge.ask("/v1/conversations", **asked, sender="+ACME")
    assert [_of(one) for one in answer["entries"]] == [("received", "mo-2"), ("sent", ids[0])]
    assert {one["conversation_id"] for one in answer["entries"]} == {CONVERSATION}
    assert {one["ours"] for one in answer["entries"]} == {"ACME"}


async def test_a_conversation_is_an_accounts_with_somebody() -> None:
    edge = Edge(World())
    for asked in ({"phone": RECIPIENT}, {"account_id": "acme"}):
        status, answer = await edge.ask("/v1/conversations", **asked)
        assert (status, "and an account_id" in answer["detail"]) == (422, True)
