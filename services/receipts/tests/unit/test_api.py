"""The HTTP edge: who may ask, what is told, and what never is."""

import json

import pytest
from services.receipts.tests.unit.edge import TOKEN, Edge
from services.receipts.tests.unit.making import (
    MESSAGE_ID,
    RECIPIENT,
    WITH_CALL,
    finished,
    message,
    message_id_of,
    receipt,
)
from services.receipts.tests.unit.world import Died, World

from receipts.ledger.timeline import masked
from yizhan_contracts.events import AttemptOutcome, ReceiptState
from yizhan_contracts.reasons import Reason

ROUTES = [
    f"/internal/v1/messages/{MESSAGE_ID}/state",
    f"/v1/messages/{MESSAGE_ID}",
    "/v1/messages?account_id=acme&reference=SF1234567890",
    "/v1/conservation",
    "/v1/feeds",
    "/v1/receipts/unmatched",
]


@pytest.mark.parametrize("path", ROUTES)
async def test_nothing_is_told_without_the_token(path: str) -> None:
    world = World()
    await world.hear(message())
    assert (await Edge(world).get(path))[0] == 200
    for token in (None, "", "another", TOKEN + "x"):
        assert (await Edge(world).get(path, token))[0] == 401
    assert (await Edge(world, token="").get(path, ""))[0] == 401


@pytest.mark.parametrize(
    ("path", "mine", "strangers"),
    [
        (ROUTES[0], 403, 403),
        (ROUTES[1], 200, 404),
        (ROUTES[2], 200, 403),
        *((path, 403, 403) for path in ROUTES[3:]),
    ],
)
async def test_an_account_is_told_its_own_with_a_token(
    path: str, mine: int, strangers: int
) -> None:
    world = World()
    await world.hear(message())
    edge = Edge(world)
    assert (await edge.get(path, "acme:read"))[0] == mine
    assert (await edge.get(path, "other:read"))[0] == strangers
    assert (await edge.get(path, "acme:send"))[0] == 403
    assert (await edge.get(path, "away:read"))[0] == 503


async def test_a_story_without_its_acceptance_is_told_to_operators_only() -> None:
    world = World()
    await world.hear(finished(AttemptOutcome.SUBMITTED))
    edge = Edge(world)
    assert (await edge.get(ROUTES[1]))[0] == 200
    for token in ("acme:read", ":read"):
        assert (await edge.get(ROUTES[1], token))[0] == 404


async def test_message_is_open_until_it_is_settled_or_known_to_be_delivered() -> None:
    world = World()
    edge = Edge(world)
    path = f"/internal/v1/messages/{MESSAGE_ID}/state"
    assert (await edge.get(path))[0] == 404
    await world.hear(message())
    assert await edge.get(path) == (200, {"open": True, "status": None})
    world.steps.dies_before = world.steps.taken + 3
    with pytest.raises(Died):
        await world.hear(receipt(ReceiptState.DELIVERED))
    # Its receiver died after it had written the receipt down: it is delivered, though not settled.
    assert not world.store.settled
    assert await edge.get(path) == (200, {"open": False, "status": "delivered"})
    await world.hear(receipt(ReceiptState.DELIVERED))
    assert await edge.get(path) == (200, {"open": False, "status": "delivered"})


async def test_story_tells_every_step_and_no_number_and_no_text() -> None:
    world = World()
    of = message(policy=WITH_CALL)
    await world.hear(of, finished(AttemptOutcome.SUBMITTED, sender="ACME"))
    world.clock.turn(6)
    await world.hear(receipt(ReceiptState.FAILED, reason=Reason.NOT_MOBILE, carrier_code="24"))
    status, story = await Edge(world).get(f"/v1/messages/{MESSAGE_ID}")
    assert status == 200
    assert [entry["what"] for entry in story["timeline"]] == [
        "submitted",
        "receipt",
        "call-requested",
    ]
    submitted, told, _ = story["timeline"]
    assert (submitted["channel"], submitted["sender"]) == ("a", "ACME")
    assert submitted["decision"] == {"why": "best"}
    assert (told["reason"], told["carrier_code"]) == ("not-mobile", "24")
    assert story["accepted"]["recipient"] == "+861******1111"
    assert story["settled"] is None
    assert RECIPIENT not in json.dumps(story)
    assert of.text not in json.dumps(story, ensure_ascii=False)


async def test_messages_are_found_by_the_customers_own_name_newest_first() -> None:
    world = World()
    await world.hear(*(message(message_id_of(i)) for i in (1, 2)))
    await world.hear(message(message_id_of(3), account_id="another"))
    path = "/v1/messages?account_id=acme&reference=SF1234567890"
    _, answer = await Edge(world).get(path)
    assert [m["message_id"] for m in answer["messages"]] == [message_id_of(2), message_id_of(1)]
    assert (await Edge(world).get(f"/v1/messages/{message_id_of(9)}"))[0] == 404


async def test_operators_are_told_which_receipts_were_given_up_and_no_number() -> None:
    world = World()
    nameless = [
        receipt(
            ReceiptState.DELIVERED,
            attempt_id=None,
            carrier_message_id=f"c-{channel}",
            channel=channel,
        )
        for channel in ("a", "b")
    ]
    await world.hear(*nameless)
    world.clock.turn(8 * 86_400)
    await world.ageing.age()
    world.clock.turn(1)
    _, told = await Edge(world).get("/v1/receipts/unmatched?channel=b")
    (given_up,) = told["receipts"]
    assert given_up["carrier_message_id"] == "c-b"
    assert given_up.keys() >= {"aged_at", "received_at", "state", "carrier_account"}
    _, told = await Edge(world).get("/v1/receipts/unmatched")
    assert len(told["receipts"]) == 2


def test_number_is_masked_but_for_its_ends() -> None:
    assert masked("+8613800001111") == "+861******1111"
    assert masked("+12345678") == "+123****8"
    assert masked("+1234567") == "+123****"
