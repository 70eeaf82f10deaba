"""Opt-outs on real servers: replies stop and start messages, accounts and operators do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from services.ingest.tests.integration.conftest import Corner, post
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, CA, SECRET, US

from ingest.optouts.store import FACTS
from yizhan_contracts.events import ReplyReceived
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration
OPERATOR = "the-operators-token"
NOW = datetime.now(UTC)
SEND: dict[str, Any] = {"to": US, "template": "delivered", "variables": {"tracking_number": "T1"}}


async def ask(service: Service, path: str, body: object, auth: str = AUTHORIZATION) -> Reply:
    headers = {"Authorization": auth, "Content-Type": "application/json"}
    sent = json.dumps(body).encode()
    return await call(service.http, "POST", f"/v1/opt-outs{path}", headers=headers, body=sent)


async def usage(service: Service) -> Any:
    headers = {"Authorization": AUTHORIZATION}
    return (await call(service.http, "GET", "/v1/usage", headers=headers)).json()


async def listed(service: Service) -> Any:
    reply = await call(
        service.http, "GET", "/v1/opt-outs", headers={"Authorization": AUTHORIZATION}
    )
    return reply.json()["numbers"]


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():
            await asyncio.sleep(0.05)


def reply(text: str, seconds: float, to: str = "99999") -> ReplyReceived:
    return ReplyReceived(
        channel="one",
        carrier_account="one",
        carrier_message_id=f"mo-{seconds}",
        sender=US,
        recipient=to,
        text=text,
        received_at=NOW + timedelta(seconds=seconds),
    )


@pytest.fixture
def operated(corner: Corner) -> Corner:
    token = {"internal_token": SecretStr(OPERATOR)}
    corner.settings = corner.settings.model_copy(update=token)
    return corner


async def test_a_stop_stops_and_a_start_starts_again(operated: Corner) -> None:
    service = await operated.start()
    assert (await post(service, SEND)).status == 202

    async def is_refused() -> bool:
        return (await post(service, SEND)).status == 422

    async def is_sent() -> bool:
        return (await post(service, SEND)).status == 202

    await service.publisher.publish([reply("stop", 1), reply("see you", 2)])
    await eventually(is_refused)
    refused = await post(service, SEND)
    assert refused.json()["code"] == "recipient-opted-out"
    assert (await post(service, SEND | {"to": CA})).status == 202
    assert await listed(service) == []  # nobody's own: it holds for everyone
    # An older start comes late, and changes nothing; a newer one does.
    await service.publisher.publish([reply("start", 0.5), reply("start", 3)])
    await eventually(is_sent)
    facts = await service.mongo().find(FACTS, {"number": US}, sort=[("_id", 1)])
    assert [fact["action"] for fact in facts] == ["opt-in", "opt-out", "opt-in"]


async def test_a_reply_to_an_accounts_own_number_concerns_that_account_alone(
    operated: Corner,
) -> None:
    service = await operated.start()
    await service.publisher.publish([reply("退订", 1, to="1069055")])

    async def is_listed() -> bool:
        return [one["number"] for one in await listed(service)] == [US]

    await eventually(is_listed)
    assert (await post(service, SEND)).json()["code"] == "recipient-opted-out"
    other = f"Bearer other-key.{SECRET}"
    body = json.dumps(SEND | {"sender": "Other"}).encode()
    sent = await call(
        service.http, "POST", "/v1/messages", headers={"Authorization": other}, body=body
    )
    assert sent.status == 202
    # What the recipient said, the account may not take back; an operator may.
    undo = {"number": US}
    assert (await ask(service, "/remove", undo)).json()["code"] == "opted-out-by-recipient"


async def test_an_accounts_word_holds_for_it_and_an_operators_for_all(operated: Corner) -> None:
    service = await operated.start()
    told = await ask(service, "", {"number": "+1 201 555 0123", "kind": "blacklist"})
    assert (told.status, told.json()["blacklisted"]) == (201, True)
    assert (await post(service, SEND)).json()["code"] == "recipient-blacklisted"
    back = await ask(service, "/remove", {"number": US, "kind": "blacklist"})
    assert back.json()["blacklisted"] is False
    assert (await post(service, SEND)).status == 202
    shown = (await ask(service, "/find", {"number": US})).json()
    assert [(one["action"], one["by"]) for one in shown["history"]] == [
        ("blacklist", "key send-and-read"),
        ("clear", "key send-and-read"),
    ]
    assert (await ask(service, "", {"number": US}, f"Bearer {OPERATOR}")).status == 201
    assert (await post(service, SEND)).json()["code"] == "recipient-opted-out"
    assert (await ask(service, "", {"number": "0123"})).status == 422
    assert (await ask(service, "", {"number": US}, f"Bearer send-only.{SECRET}")).status == 403
    hidden = await ask(service, "/find", {"number": US}, f"Bearer other-key.{SECRET}")
    assert hidden.json()["history"] == []


async def test_replies_cost_nothing(operated: Corner) -> None:
    service = await operated.start()
    before = await usage(service)
    replies = [reply(f"hello {number}", number) for number in range(50)]
    await service.publisher.publish([*replies, reply("stop", 60)])

    async def are_read() -> bool:
        return await service.mongo().count(FACTS, {}) > 0

    await eventually(are_read)
    after = await usage(service)
    assert before["balance"] == after["balance"]
    assert {kind: one["spent"] for kind, one in before["packages"].items()} == {
        kind: one["spent"] for kind, one in after["packages"].items()
    }
