"""Keys in a real MongoDB: sealed there, seeded once, in force on another instance soon."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION

from ingest.adapters.mongo_keys import KEYS
from ingest.app import Role
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration
MATERIAL = "material-of-the-test"


async def ask(service: Service, method: str, path: str, bearer: str, body: object = None) -> Reply:
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    sent = b"" if body is None else json.dumps(body).encode()
    return await call(service.http, method, path, headers=headers, body=sent)


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_so():
            await asyncio.sleep(0.05)


@pytest.fixture
def sealing(corner: Corner) -> Corner:
    corner.settings = corner.settings.model_copy(update={"ingest_vault_keys": SecretStr(MATERIAL)})
    return corner


async def test_a_key_is_in_force_and_revoked_on_every_instance(sealing: Corner) -> None:
    one, other = await sealing.start([Role.API]), await sealing.start([Role.API])
    made = await ask(
        one, "POST", "/v1/keys", AUTHORIZATION, {"name": "k", "scopes": ["read", "admin"]}
    )
    assert made.status == 201, made.body
    assert made.headers["cache-control"] == "no-store"
    bearer = f"Bearer {made.json()['key']}.{made.json()['secret']}"

    async def is_in_force() -> bool:
        return (await ask(other, "GET", "/v1/keys", bearer)).status == 200

    await eventually(is_in_force)
    revoked = await ask(one, "DELETE", f"/v1/keys/{made.json()['key']}", bearer)
    assert (revoked.status, revoked.body) == (204, b"")

    async def is_over() -> bool:
        return (await ask(other, "GET", "/v1/keys", bearer)).status == 401

    await eventually(is_over)


async def test_a_stolen_database_holds_no_secret_and_opens_under_its_material(
    sealing: Corner,
) -> None:
    service = await sealing.start([Role.API])
    made = (await ask(service, "POST", "/v1/keys", AUTHORIZATION, {"name": "k"})).json()
    stored = await service.mongo().find(KEYS, {"_id": made["key"]})
    assert made["secret"] not in str(stored)
    rotated = (await ask(service, "POST", f"/v1/keys/{made['key']}/rotate", AUTHORIZATION)).json()
    again = await sealing.start([Role.API])
    shown = (await ask(again, "GET", "/v1/keys", AUTHORIZATION)).json()["keys"]
    mine = next(key for key in shown if key["key"] == made["key"])
    assert [secret["can_sign"] for secret in mine["secrets"]] == [True, True]
    for secret in (made["secret"], rotated["secret"]):
        told = await ask(again, "GET", "/v1/messages/" + "0" * 32, f"Bearer {made['key']}.{secret}")
        assert told.status == 404  # let in: there is no such message


async def test_what_the_api_revoked_stays_revoked_though_the_file_names_it(corner: Corner) -> None:
    service = await corner.start([Role.API])
    gone = await ask(service, "DELETE", "/v1/keys/send-only", AUTHORIZATION)
    assert gone.status == 204
    again = await corner.start([Role.API])
    listed = (await ask(again, "GET", "/v1/keys", AUTHORIZATION)).json()["keys"]
    assert {key["key"] for key in listed} == {"send-and-read", "test-key"}
