"""Packages, balance and accounts over the API, on real Kafka and MongoDB."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from services.ingest.tests.integration.conftest import Corner, post, until
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, event

from ingest.accounts.snapshot import Snapshot
from ingest.accounts.store import AccountStore
from ingest.adapters.mongo import MongoInputs
from ingest.app import Role, build
from ingest.quota.mongo import WALLETS, MongoWallets
from ingest.quota.returns import Returns
from ingest.quota.wallet import PackageKind
from yizhan_contracts import topics
from yizhan_contracts.events import AccountNotified, MessageAccepted, MessageSettled, Status
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration

OPERATOR = "Bearer the-operators-token"
CHINA, ABROAD = "+8613800138000", "+12015550123"


def body(to: str = CHINA) -> dict[str, Any]:
    variables = {"name": "张三", "code": "1", "subject": "数学", "score": "99"}
    return {"to": to, "template": "score", "variables": variables}


def event_of(number: int) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return event(event_id=f"e-{number}", shipment_id=f"S{number}", occurred_at=now)


class World:
    """The API; operators book on the account ``new``."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def ask(self, method: str, path: str, given: Any = None, auth: str = OPERATOR) -> Reply:
        headers = {"Authorization": auth, "Content-Type": "application/json"}
        if auth == OPERATOR:
            headers["Yizhan-Account"] = "shop"
        sent = b"" if given is None else json.dumps(given).encode()
        return await call(self.service.http, method, path, headers=headers, body=sent)

    async def buy(self, package: str, quantity: int, purchase_id: str) -> Reply:
        given = {"package": package, "quantity": quantity, "purchase_id": purchase_id}
        return await self.ask("POST", "/v1/packages", given)

    async def book(self, amount: str, entry_id: str) -> Reply:
        return await self.ask("POST", "/v1/balance", {"amount": amount, "entry_id": entry_id})

    async def usage(self) -> Any:
        return (await self.ask("GET", "/v1/usage", auth=AUTHORIZATION)).json()

    async def until(self, codes: list[str], to: str = CHINA) -> None:
        """Send until it is answered so: an empty package is not asked for again at once."""
        async with asyncio.timeout(10):
            while await self.codes(to) != codes:
                await asyncio.sleep(0.05)

    async def codes(self, to: str = CHINA) -> list[str]:
        reply = await post(self.service, body(to))
        return [one["code"] for one in reply.json().get("errors", [])]


@pytest.fixture
async def world(corner: Corner) -> World:
    """Start with an empty wallet."""
    service = await corner.start({Role.API})
    await service.mongo().update_one(
        WALLETS,
        {"_id": "shop"},
        {"$set": {"packages": {}, "balance_e4": 0, "entries": []}, "$inc": {"version": 1}},
    )
    return World(service)


async def test_each_missing_condition_has_its_own_code_until_it_is_there(world: World) -> None:
    assert await world.codes() == ["package-empty", "balance-empty"]
    await world.buy("domestic", 1, "p1")
    await world.until(["balance-empty"])
    await world.book("0.0001", "e1")
    await world.until(["package-empty"], ABROAD)
    await world.until([])
    assert await world.codes() == ["package-empty"]
    assert (await world.usage())["packages"]["domestic"]["bought"] == 1


async def test_what_is_booked_counts_once_whatever_is_repeated(world: World) -> None:
    for _ in range(2):
        assert (await world.buy("international", 500, "p1")).status == 200
        assert (await world.book("-2.5", "e1")).status == 200
    other = [await world.buy("international", 501, "p1"), await world.book("-2.4", "e1")]
    assert [(o.status, o.json()["code"]) for o in other] == [(422, "booked-otherwise")] * 2
    usage = await world.usage()
    assert usage["balance"] == "-2.5000"
    assert usage["packages"]["international"]["left"] == 500


async def test_only_operators_book_and_manage_accounts(world: World) -> None:
    purchase = {"package": "domestic", "quantity": 1, "purchase_id": "p"}
    refused = [
        await world.ask("POST", "/v1/packages", purchase, AUTHORIZATION),
        await world.ask("POST", "/v1/balance", {"amount": "1", "entry_id": "e"}, AUTHORIZATION),
        await world.ask("GET", "/v1/accounts", auth=AUTHORIZATION),
        await world.ask("PATCH", "/v1/accounts/shop", {"name": "x"}, AUTHORIZATION),
    ]
    assert {(one.status, one.json()["code"]) for one in refused} == {(403, "operator-only")}


async def test_an_account_is_added_changed_and_shown(world: World) -> None:
    fresh = {"id": "fresh", "name": "Fresh", "state": "pending", "sender": "Fresh"}
    assert (await world.ask("POST", "/v1/accounts", fresh)).status == 201
    again = await world.ask("POST", "/v1/accounts", fresh)
    assert (again.status, again.json()["code"]) == (409, "account-exists")
    changed = await world.ask("PATCH", "/v1/accounts/fresh", {"state": "verified"})
    assert changed.json()["state"] == "verified"
    wrong = await world.ask("PATCH", "/v1/accounts/fresh", {"time_zone": "x", "keys": []})
    assert wrong.status == 422
    wrong = await world.ask("PATCH", "/v1/accounts/fresh", {"time_zone": "x"})
    assert wrong.json()["field"] == "time_zone"
    assert (await world.ask("PATCH", "/v1/accounts/none", {"name": "x"})).status == 404
    suspended = await world.ask("PATCH", "/v1/accounts/shop", {"state": "suspended"})
    assert suspended.status == 200
    assert (await world.ask("GET", "/v1/account", auth=AUTHORIZATION)).json()["state"] == (
        "suspended"
    )
    assert await world.codes() == ["account-not-verified"]
    names = {one["id"] for one in (await world.ask("GET", "/v1/accounts")).json()["accounts"]}
    assert names == {"shop", "other", "waiting", "fresh"}


async def test_a_good_key_is_not_unknown_before_the_keys_are_read(corner: Corner) -> None:
    service = build(corner.settings, roles={Role.API})
    reply = await post(service, body())
    assert (reply.status, reply.json()["code"]) == (503, "unavailable")
    service.mongo().close()


async def test_a_stop_gives_back_what_was_leased(world: World, corner: Corner) -> None:
    await world.buy("domestic", 1000, "p1")
    await world.book("1", "e1")
    for number in range(7):
        reply = await post(world.service, body(), key=f"k{number % 5}")
        assert reply.status in {202, 409}
    usage = (await world.usage())["packages"]["domestic"]
    assert usage["leased"] > 0
    assert usage["left"] + usage["leased"] + usage["spent"] == 1000
    await world.service.stop()
    other = World(await corner.start({Role.API}))
    after = (await other.usage())["packages"]["domestic"]
    assert (after["left"], after["leased"], after["spent"]) == (995, 0, 5)


async def test_events_pay_and_are_refused_when_nothing_is_left(
    world: World, corner: Corner
) -> None:
    await world.buy("international", 3, "p1")
    await world.book("1", "e1")
    await corner.start({Role.EVENTS})
    await corner.send([event_of(n) for n in range(5)])
    answers = await corner.answered(5)
    assert sorted(a.code for a in answers) == ["", "", "", "package-empty", "package-empty"]
    accepted = next(a.event_id for a in answers if not a.code)
    await corner.send([event_of(int(accepted.removeprefix("e-")))])
    await corner.answered(6)
    messages = await corner.messages()
    assert len({m.message_id for m in messages}) == 3
    assert (await world.usage())["packages"]["international"]["left"] == 0


async def test_two_processes_never_spend_more_than_there_is(world: World, corner: Corner) -> None:
    await world.buy("domestic", 300, "p1")
    await world.book("1", "e1")
    other = World(await corner.start({Role.API}))
    replies = await asyncio.gather(
        *(post(one.service, body(), key=f"k{n}") for n in range(250) for one in (world, other))
    )
    accepted = {r.json()["message_id"] for r in replies if r.status == 202}
    assert len(accepted) <= 250  # each key is used by both
    await asyncio.gather(
        *(post(one.service, body(), key=f"m{n}") for n in range(100) for one in (world, other))
    )
    await world.service.stop()
    await other.service.stop()
    third = World(await corner.start({Role.API}))
    usage = (await third.usage())["packages"]["domestic"]
    messages = {m.message_id for m in await corner.messages()}
    assert usage["leased"] == 0
    assert usage["left"] == 300 - len(messages)


async def test_a_package_that_runs_low_is_told_of_once(world: World, corner: Corner) -> None:
    plan = {"remind_at": [0], "remind_balance_at": ["1"]}
    changed = await world.ask("PATCH", "/v1/accounts/shop", {"plan": plan})
    assert changed.status == 200, changed.body
    await world.buy("domestic", 1, "p1")
    await world.book("5", "e1")
    await world.until([])
    await world.book("-4.5", "e2")

    async def told_of() -> list[AccountNotified]:
        records = await corner.read(topics.ACCOUNT_NOTIFIED.name)
        told = [AccountNotified.model_validate_json(one.value) for one in records]
        return told if any(one.package for one in told) else []

    told = await until(told_of, 2)
    names = sorted(one.notice_id.rpartition(".")[0] for one in told)
    # The balance was zero before it was topped up.
    assert names[-1] == "shop.domestic.0"
    assert set(names[:-1]) == {"shop.balance.1"}
    assert {one.left for one in told if one.package} == {0}


def settled(message: MessageAccepted, status: Status, revision: int = 1) -> MessageSettled:
    return MessageSettled(
        message_id=message.message_id,
        account_id=message.account_id,
        status=status,
        revision=revision,
        country=message.country,
        lane=message.lane,
        charging_num=message.charging_num,
        origin=message.origin,
        accepted_at=message.accepted_at,
        settled_at=message.accepted_at,
    )


async def test_what_failed_comes_back_once_and_goes_when_it_was_delivered_after_all(
    world: World, corner: Corner
) -> None:
    await world.ask("PATCH", "/v1/accounts/shop", {"plan": {"returns": ["failed"]}})
    await world.buy("domestic", 100, "p1")
    await world.book("1", "e1")
    for number in range(4):
        assert (await post(world.service, body(), key=f"k{number}")).status == 202
    await world.service.stop()
    other = await corner.start({Role.EVENTS})
    lost, found, fine, expired = await corner.messages()
    wallets = MongoWallets(other.mongo(), other.clock)
    accounts = Snapshot()
    store = AccountStore(other.mongo(), accounts.put_facts, other.clock)
    await store.feed.load()
    returns = Returns(other.mongo(), MongoInputs(other.mongo()), wallets, accounts, other.clock)

    async def left() -> int:
        wallet = await wallets.find("shop")
        assert wallet is not None
        return wallet.package(PackageKind.DOMESTIC).left

    assert await left() == 96
    verdicts = [
        settled(lost, Status.FAILED),
        settled(found, Status.FAILED),
        settled(fine, Status.DELIVERED),
        settled(expired, Status.EXPIRED),
    ]
    for _ in range(2):
        await returns.hear(verdicts)
        await returns.apply()
        assert await left() == 98
    await returns.hear([settled(found, Status.DELIVERED, revision=2)])
    await returns.apply()
    assert await left() == 97
    # Over Kafka as well: it is heard, and changes nothing more.
    await other.publisher.publish(verdicts)
    await returns.apply()
    assert await left() == 97
