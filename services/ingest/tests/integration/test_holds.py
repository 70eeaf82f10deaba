"""Holds over the API, on real Kafka and MongoDB."""

import json
from datetime import timedelta
from typing import Any

import pytest
from services.ingest.tests.integration.conftest import Corner, post
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, SECRET, US

from ingest.app import Role
from ingest.holds.store import HOLDS, Held, HoldStore, make_hold
from yizhan_contracts import topics
from yizhan_contracts.events import HoldChanged, HoldKind
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration

OTHER = f"Bearer other-key.{SECRET}"
BODY = {
    "to": US,
    "template": "score",
    "variables": {"name": "张三", "code": "1", "subject": "数学", "score": "99"},
}


class World:
    """The API, as its different callers see it."""

    def __init__(self, service: Service, corner: Corner) -> None:
        self.service = service
        self._corner = corner

    async def ask(
        self, method: str, path: str = "", body: Any = None, auth: str = AUTHORIZATION, **more: str
    ) -> Reply:
        headers = {"Authorization": auth, "Content-Type": "application/json"} | more
        given = b"" if body is None else json.dumps(body).encode()
        return await call(
            self.service.http, method, f"/v1/holds{path}", headers=headers, body=given
        )

    async def stop(self, kind: str, held_id: str, auth: str = AUTHORIZATION, **more: Any) -> Reply:
        return await self.ask("POST", body={"kind": kind, "id": held_id, **more}, auth=auth)

    async def told(self) -> list[HoldChanged]:
        records = await self._corner.read(topics.HOLD_CHANGED.name)
        return [HoldChanged.model_validate_json(record.value) for record in records]


@pytest.fixture
async def world(corner: Corner) -> World:
    return World(await corner.start({Role.API}), corner)


@pytest.fixture
def operator(corner: Corner) -> str:
    return f"Bearer {corner.settings.internal_token.get_secret_value()}"


async def test_a_hold_is_on_kafka_when_its_answer_comes_and_so_is_its_end(world: World) -> None:
    stopped = await world.stop("shipment", "S/1", reason="recalled")
    assert stopped.status == 200, stopped.body
    (told,) = await world.told()
    assert told.key() == "shipment:shop/S/1"
    assert (told.held, told.cancel, told.reason) == (True, False, "recalled")
    listed = (await world.ask("GET")).json()["holds"]
    assert [(one["kind"], one["id"], one["by"]) for one in listed] == [
        ("shipment", "S/1", "send-and-read")
    ]
    resumed = await world.ask("DELETE", "/shipment/S/1")
    assert resumed.status == 200, resumed.body
    assert [one.held for one in await world.told()] == [True, False]
    assert (await world.ask("GET")).json()["holds"] == []
    again = await world.ask("DELETE", "/shipment/S/1")
    assert (again.status, again.json()["code"]) == (404, "hold-not-found")


async def test_an_account_holds_its_own_things_and_nobody_elses(
    world: World, operator: str
) -> None:
    refused = [
        await world.stop("account", "other"),
        await world.stop("channel", "acme-eu"),
        await world.stop("account", "other", auth=OTHER.replace("other-key", "send-only")),
    ]
    assert {(one.status, one.json()["code"]) for one in refused} == {
        (403, "operator-only"),
        (403, "scope-missing"),
    }
    assert (await world.stop("template", "score", auth=OTHER)).status == 200
    assert (await world.ask("GET")).json()["holds"] == []
    assert (await world.ask("DELETE", "/template/score")).status == 404
    assert (await world.stop("account", "nobody", auth=operator)).status == 422
    assert (await world.stop("channel", "acme-eu", auth=operator)).status == 200
    everything = (await world.ask("GET", auth=operator)).json()["holds"]
    assert {one["kind"] for one in everything} == {"template", "channel"}


async def test_what_an_operator_stopped_the_account_does_not_resume(
    world: World, operator: str
) -> None:
    assert (await world.stop("account", "shop", auth=operator)).status == 200
    for reply in (
        await world.ask("DELETE", "/account/shop"),
        await world.stop("account", "shop", cancel=True),
    ):
        assert (reply.status, reply.json()["code"]) == (403, "hold-of-operators")
    assert (await world.ask("DELETE", "/account/shop", auth=operator)).status == 200


async def test_what_waits_is_accepted_and_what_would_be_cancelled_is_refused(
    world: World,
) -> None:
    await world.stop("template", "score")
    assert (await post(world.service, BODY)).status == 202
    await world.stop("template", "score", cancel=True, reason="a wrong score")
    refused = await post(world.service, BODY)
    assert (refused.status, refused.json()["code"]) == (409, "held")
    assert "a wrong score" in refused.json()["detail"]
    await world.ask("DELETE", "/template/score")
    assert (await post(world.service, BODY)).status == 202


async def test_what_a_crash_left_untold_is_told_by_another_process(
    world: World, corner: Corner
) -> None:
    service = world.service
    store = HoldStore(service.mongo(), service.publisher, service.clock)
    early = service.clock.now() - timedelta(minutes=1)
    hold = make_hold(HoldKind.BATCH, "B1", "shop", early, held=True)
    await store.put(Held(hold, "k", is_operators=False))
    # Two changes raced, and the older one was published last: its publisher looks again.
    newer = hold.model_copy(update={"held": False})
    update = {
        "$set": {"hold": newer.model_dump(mode="json"), "unpublished": True, "version": 2},
    }
    await service.mongo().update_one(HOLDS, {"_id": hold.key()}, update)
    await store.repair_once()
    await store.repair_once()
    assert [one.held for one in await world.told()] == [True, False]
