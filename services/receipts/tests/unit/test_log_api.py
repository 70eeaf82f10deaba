"""The log's routes: who sees what of whom, which errors they get, and how pages go on."""

import json
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.receipts.tests.unit.edge import TOKEN, Edge
from services.receipts.tests.unit.making import (
    MESSAGE_ID,
    NOON,
    RECIPIENT,
    finished,
    message,
    message_id_of,
    receipt,
)
from services.receipts.tests.unit.world import World

from receipts.log.asking import AskedOfLog, AskedOfReplies
from yizhan_contracts.events import AttemptOutcome, ReceiptState, TemplateUse
from yizhan_contracts.reasons import Reason

LOG = "/v1/log"
MASKED = "+861******1111"
OWN, PERSONAL = "acme:read", "acme:read+read:personal"
PHONE = {"phone": RECIPIENT}


async def house(count: int = 3) -> Edge:
    """Messages 1 to ``count`` of acme, the first delivered, the second failed, and another's."""
    world = World()
    world.clock.turn(60)
    template = TemplateUse(template_id="pickup", version=1, language="zh")
    ids = [message_id_of(i) for i in range(1, count + 1)]
    await world.hear(*(message(one, template=template) for one in ids))
    await world.hear(message(message_id_of(count + 1), account_id="other"))
    if count > 1:
        await world.hear(receipt(ReceiptState.DELIVERED, message_id=ids[0]))
        failure: dict[str, Any] = {"reason": Reason.NUMBER_VACANT, "carrier_code": "MK:0001"}
        await world.hear(receipt(ReceiptState.FAILED, message_id=ids[1], **failure))
    return Edge(world)


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [row["message_id"] for row in answer["messages"]]


async def test_did_this_candidate_get_the_message_and_if_not_why() -> None:
    edge = await house()
    status, answer = await edge.ask(LOG, OWN, **PHONE, since="2026-11-23T11:00:00Z")
    assert status == 200
    under_way, failed, delivered = answer["messages"]
    assert (delivered["status"], delivered["meaning"]) == ("delivered", "It was delivered.")
    assert delivered["delivered_at"] is not None
    assert (failed["status"], failed["reason"]) == ("failed", "number-vacant")
    assert failed["meaning"].startswith("The number is not assigned to anybody")
    assert (failed["carrier_code"], failed["channel"]) == ("MK:0001", "a")
    assert (under_way["status"], under_way["attempts"]) == ("in-flight", 0)
    assert (under_way["template_id"], under_way["charging_num"]) == ("pickup", 1)
    assert answer["complete"]
    assert answer["as_of"]["complete_until"] is not None


async def test_what_is_in_flight_tells_its_attempts() -> None:
    world = World()
    await world.hear(message(), finished(AttemptOutcome.SUBMITTED))
    _, answer = await Edge(world).ask(LOG, **PHONE)
    assert [(row["attempts"], row["channel"]) for row in answer["messages"]] == [(1, "a")]


async def test_an_account_finds_its_own_and_nobody_elses() -> None:
    edge = await house()
    _, answer = await edge.ask(LOG, OWN, **PHONE)
    assert ids_of(answer) == [message_id_of(i) for i in (3, 2, 1)]
    _, answer = await edge.ask(LOG, OWN, since="2026-11-23T00:00:00Z")
    assert len(answer["messages"]) == 3
    assert (await edge.ask(LOG, OWN, account_id="other"))[0] == 403
    _, answer = await edge.ask(LOG, **PHONE)
    assert len(answer["messages"]) == 4
    for token, refusal in ((None, 401), ("another", 401), ("acme:send", 403), ("away:read", 503)):
        assert (await edge.ask(LOG, token, **PHONE))[0] == refusal


@pytest.mark.parametrize(
    ("token", "asked", "phone"),
    [
        (OWN, {}, MASKED),
        (PERSONAL, {}, RECIPIENT),
        (PERSONAL, {"shows": "text"}, RECIPIENT),
        (TOKEN, {}, MASKED),
        (TOKEN, {"unmasked": "true"}, RECIPIENT),
        (TOKEN, {"shows": "text"}, MASKED),
        (TOKEN, {"shows": "text", "unmasked": "true"}, RECIPIENT),
    ],
)
@pytest.mark.parametrize("path", [LOG, f"/v1/messages/{message_id_of(1)}", "/v1/conversations"])
async def test_numbers_and_texts_are_shown_to_whom_they_may_be(
    path: str, token: str, asked: dict[str, str], phone: str
) -> None:
    edge = await house()
    whose = {} if path.startswith("/v1/messages") else PHONE | {"account_id": "acme"}
    status, answer = await edge.ask(path, token, **whose, **asked)
    said = json.dumps(answer, ensure_ascii=False)
    assert status == 200
    assert phone in said
    assert (RECIPIENT in said) == (phone == RECIPIENT)
    assert ("您的包裹" in said) == ("shows" in asked)


@pytest.mark.parametrize("asked", [{"unmasked": "true"}, {"shows": "text"}])
@pytest.mark.parametrize(
    "path", [LOG, f"/v1/messages/{MESSAGE_ID}", "/v1/replies", "/v1/conversations"]
)
async def test_personal_data_wants_its_scope(path: str, asked: dict[str, str]) -> None:
    edge = await house()
    whose = {} if path.startswith("/v1/messages") else PHONE
    status, answer = await edge.ask(path, OWN, **whose, **asked)
    assert status == 403
    assert "read:personal" in answer["detail"]


@pytest.mark.parametrize("path", [LOG, "/v1/replies"])
async def test_a_text_is_not_to_be_guessed_without_the_scope(path: str) -> None:
    edge = await house()
    assert (await edge.ask(path, OWN, **PHONE, text="包裹"))[0] == 403
    assert (await edge.ask(path, PERSONAL, **PHONE, text="包裹"))[0] == 200


async def test_whole_numbers_shown_to_operators_are_logged_without_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    edge = await house()
    with caplog.at_level(logging.INFO):
        await edge.ask(LOG, **PHONE)
        assert not caplog.records
        await edge.ask(LOG, **PHONE, unmasked="true")
    (line,) = caplog.records
    assert line.message == "an operator was shown personal data"
    assert (line.__dict__["what"], line.__dict__["kinds"]) == ("log", "numbers")
    assert (line.__dict__["by"], line.__dict__["rows"]) == ("internal token", 4)
    assert RECIPIENT.lstrip("+") not in str(line.__dict__)


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "delivered"},
        {"status": "failed", "reason": "number-vacant"},
        {"carrier_code": "MK:0001"},
        {"status": "in-flight"},
        {"template": "pickup", "channel": "a"},
        {"country": "CN", "lane": "standard"},
        {"text": "包裹已到达"},
        {"country": "US"},
        {"template": "nothing"},
    ],
)
async def test_filters_say_what_rows_are_left(asked: dict[str, str]) -> None:
    edge = await house()
    _, everything = await edge.ask(LOG, account_id="acme", since="2026-11-23T00:00:00Z")
    _, answer = await edge.ask(LOG, account_id="acme", since="2026-11-23T00:00:00Z", **asked)
    names = {"template": "template_id"}
    text = asked.pop("text", None)
    wanted = [
        row
        for row in everything["messages"]
        if all(row[names.get(name, name)] == value for name, value in asked.items())
        and (row["status"] != "in-flight" or "channel" not in asked)
    ]
    assert answer["messages"] == wanted
    assert bool(wanted) == (asked not in ({"country": "US"}, {"template": "nothing"}))
    assert text is None or len(wanted) == 3


async def test_pages_go_on_by_their_cursor() -> None:
    edge = await house(count=7)
    asked: dict[str, Any] = PHONE | {"account_id": "acme", "limit": 3}
    found, cursor = [], ""
    for _ in range(3):
        status, answer = await edge.ask(LOG, **asked, **({"cursor": cursor} if cursor else {}))
        assert status == 200
        found += ids_of(answer)
        cursor = answer["next"]
    assert found == [message_id_of(i) for i in range(7, 0, -1)]
    assert cursor is None


async def test_a_cursor_keeps_the_range_that_the_first_page_had() -> None:
    world = World()
    world.clock.turn(60)
    await world.hear(*(message(message_id_of(i)) for i in range(4)))
    edge = Edge(world)
    _, first = await edge.ask(LOG, OWN, limit=2)
    world.clock.turn(24 * 3600)
    _, second = await edge.ask(LOG, OWN, limit=2, cursor=first["next"])
    assert second["since"] == first["since"]
    assert ids_of(first) + ids_of(second) == [message_id_of(i) for i in (3, 2, 1, 0)]
    # A day later, an account alone is searched for another day.
    assert ids_of((await edge.ask(LOG, OWN))[1]) == []


async def test_a_cursor_is_good_for_its_own_search_only() -> None:
    edge = await house()
    _, answer = await edge.ask(LOG, **PHONE, limit=1)
    cursor = answer["next"]
    # How much is shown, and of what, may change on the way.
    ways: dict[str, Any] = {"limit": 2, "unmasked": "true", "shows": "text"}
    assert (await edge.ask(LOG, **PHONE, **ways, cursor=cursor))[0] == 200
    for other in ({"status": "failed"}, {"account_id": "acme"}, {"until": "2026-11-23T12:00:00Z"}):
        status, answer = await edge.ask(LOG, **PHONE, **other, cursor=cursor)
        assert (status, "another search" in answer["detail"]) == (422, True)
    status, answer = await edge.ask(LOG, **PHONE, cursor="bm9uZSBvZiBvdXJz")
    assert (status, "take `next`" in answer["detail"]) == (422, True)


@pytest.mark.parametrize("phone", [RECIPIENT, f" {RECIPIENT[1:]}"])
async def test_a_number_is_found_with_its_plus_and_with_what_urls_make_of_it(phone: str) -> None:
    edge = await house()
    assert len((await edge.ask(LOG, phone=phone))[1]["messages"]) == 4


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"phone": "138 0000 1111"}, "E.164"),
        ({"phone": "+86-13800001111"}, "E.164"),
        ({"phone": "0086138"}, "E.164"),
        ({"phone": RECIPIENT[1:]}, "E.164"),
        ({"account_id": "acme", "status": "lost"}, "in-flight"),
        ({"account_id": "acme", "since": "2026-11-23T00:00:00"}, "timezone"),
        ({"account_id": "acme", "since": "0001-01-01T00:00:00Z"}, "between the years"),
        ({"account_id": "acme", "until": "9999-12-31T00:00:00Z"}, "between the years"),
        ({"account_id": "acme", "limit": "501"}, "500"),
        ({"account_id": "acme", "country": "China"}, "country"),
        ({"account_id": "acme", "tamplate": "pickup"}, "tamplate"),
        ({"account_id": "acme", "text": "a\x00b"}, "text"),
        ({}, "name a phone"),
        ({"reference": "SF1"}, "account_id"),
    ],
)
async def test_bad_input_gets_an_error_that_says_what_is_wrong(
    asked: dict[str, str], says: str
) -> None:
    status, answer = await (await house()).ask(LOG, **asked)
    assert status == 422
    assert says in answer["detail"]
    # What was sent may be personal: it is not repeated.
    assert asked.get("phone", "\0") not in answer["detail"]


NAMES = sorted(AskedOfLog.model_fields.keys() | AskedOfReplies.model_fields.keys() | {"with"})
VALUES = st.text(max_size=30) | st.sampled_from(
    ["acme", RECIPIENT, "text", "true", "2026-11-23T00:00:00Z", "failed", "in-flight", "7", "CN"]
)


@given(
    st.sampled_from([LOG, "/v1/replies", "/v1/conversations"]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_nothing_that_is_asked_breaks_a_search(path: str, asked: dict[str, str]) -> None:
    edge = await house(count=1)
    query = urlencode(asked, errors="replace")
    status, answer = await edge.get(f"{path}?{query}", PERSONAL)
    assert status in (200, 403, 422)
    assert "detail" in answer or "next" in answer


async def test_a_trace_is_one_answer() -> None:
    edge = await house()
    at = NOON + timedelta(minutes=2)
    edge.replies.append(
        {
            "_id": "mo-1",
            "account_id": "acme",
            "message_id": message_id_of(2),
            "phone": RECIPIENT,
            "to": "10690000",
            "text": "谁?",
            "channel": "a",
            "received_at": at,
        }
    )
    _, told = await edge.ask(f"/v1/messages/{message_id_of(2)}", shows="text")
    assert told["text"] == message().text
    assert told["settled"]["meaning"].startswith("The number is not assigned")
    assert [entry["what"] for entry in told["timeline"]] == ["receipt"]
    assert [(one["phone"], one["text"]) for one in told["replies"]] == [(MASKED, "谁?")]
    assert told["as_of"]["complete_until"] is not None
    assert told["waiting_pushes"] == []
