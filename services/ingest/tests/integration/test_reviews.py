"""The registry in a real MongoDB: in force on every instance soon, the same after a restart."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from services.ingest.tests.integration.conftest import Corner, post
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, US

from ingest.app import Role
from ingest.reviews.store import REVIEWS
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration
OPERATOR = "the-operators-token"
JSON = {"Content-Type": "application/json"}
NEW = {
    "id": "welcome",
    "languages": {"zh": "【驿站】欢迎{name}"},
    "variables": {"name": {"example": "Ann"}},
}
SEND = {"to": US, "template": "welcome", "variables": {"name": "Ann"}}


@pytest.fixture
def operated(corner: Corner) -> Corner:
    token = {"internal_token": SecretStr(OPERATOR)}
    corner.settings = corner.settings.model_copy(update=token)
    return corner


async def ask(
    service: Service,
    path: str,
    body: object = None,
    auth: str = AUTHORIZATION,
    method: str = "POST",
) -> Reply:
    headers = {"Authorization": auth, "Yizhan-Account": "shop"} | JSON
    sent = b"" if body is None else json.dumps(body).encode()
    return await call(service.http, method, path, headers=headers, body=sent)


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_so():
            await asyncio.sleep(0.05)


async def test_what_is_approved_on_one_instance_is_sent_by_another_and_after_a_restart(
    operated: Corner,
) -> None:
    one, other = await operated.start([Role.API]), await operated.start([Role.API])
    assert (await ask(one, "/v1/templates", NEW)).status == 201
    version = "/v1/templates/welcome/versions/1"
    assert (await ask(one, f"{version}/submit")).status == 200
    refused = await post(one, SEND)
    assert (refused.status, refused.json()["code"]) == (422, "template-not-approved")
    done = await ask(one, f"{version}/approve", {"reviewer": "j"}, f"Bearer {OPERATOR}")
    assert done.json()["state"] == "approved", done.body
    assert (await post(one, SEND)).status == 202

    async def is_sent() -> bool:
        return (await post(other, SEND)).status == 202

    await eventually(is_sent)
    trail = await one.mongo().find(REVIEWS, {"name": "welcome"}, sort=[("n", 1)])
    assert [(step["step"], step["by"]) for step in trail] == [
        ("create", "key send-and-read"),
        ("submit", "key send-and-read"),
        ("approve", "j"),
    ]
    again = await operated.start([Role.API])
    assert (await post(again, SEND)).status == 202


async def test_two_instances_that_decide_at_once_agree(operated: Corner) -> None:
    one, other = await operated.start([Role.API]), await operated.start([Role.API])
    await ask(one, "/v1/templates", NEW)
    await ask(one, "/v1/templates/welcome/versions/1/submit")

    async def is_known() -> bool:
        shown = await ask(other, "/v1/templates/welcome", method="GET")
        return shown.status == 200 and shown.json()["templates"][0]["state"] == "pending"

    await eventually(is_known)
    said, operator = {"reviewer": "j", "reason": "r"}, f"Bearer {OPERATOR}"
    decided = await asyncio.gather(
        ask(one, "/v1/templates/welcome/versions/1/approve", said, operator),
        ask(other, "/v1/templates/welcome/versions/1/reject", said, operator),
    )
    assert sorted(reply.status for reply in decided) == [200, 409]
    winner = next(reply.json()["state"] for reply in decided if reply.status == 200)

    async def agree() -> bool:
        told = [await ask(s, "/v1/templates/welcome", method="GET") for s in (one, other)]
        return {reply.json()["templates"][0]["state"] for reply in told} == {winner}

    await eventually(agree)
