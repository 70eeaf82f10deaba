"""Erasure on a real MongoDB: all of it goes, once counted, whatever interrupts it; the proof."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from services.receipts.tests.integration.conftest import Corner, count
from services.receipts.tests.integration.keeping import OTHER_PHONE, PHONE, id_at, keep, reply
from services.receipts.tests.unit.exporting import QUERY
from services.receipts.tests.unit.world import TurnedClock

from receipts.erasure.adapters.mongo import MongoErasures
from receipts.erasure.adapters.stores import ErasedStores
from receipts.erasure.domain import Erasure, State, Subject, Where
from receipts.erasure.proof import OWN, proof_of
from receipts.erasure.service import Eraser, Erasures, ErasureTerms
from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.domain import BEGINNING, Export, Format, Shown
from receipts.exports.domain import State as ExportState
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.metrics import Metrics
from receipts.replies.adapters.mongo import MongoReplies
from yizhan_contracts.topics import dlq_topic
from yizhan_runtime import Mongo, Retryable, RuntimeSettings
from yizhan_runtime.metrics import RuntimeMetrics

pytestmark = pytest.mark.integration

KEY = SecretStr("a-key-of-the-test")
METRICS = Metrics(CollectorRegistry())
TERMS = ErasureTerms(page=2, share=1.0)
AGES = (0.5, 3, 9, 20)
"""In days: over several weeks."""


class Fragile(Mongo):
    """Dies before one of its writes, if it is told to."""

    writes = 0
    dies_before = -1

    async def _step(self) -> None:
        self.writes += 1
        if self.writes == self.dies_before:
            raise Retryable("dead")

    async def update_many(self, *arguments: Any) -> int:
        await self._step()
        return await super().update_many(*arguments)

    async def update_one(self, *arguments: Any, **more: Any) -> int:
        await self._step()
        return await super().update_one(*arguments, **more)

    async def delete_many(self, *arguments: Any) -> int:
        await self._step()
        return await super().delete_many(*arguments)

    async def delete_by_ids(self, *arguments: Any) -> int:
        await self._step()
        return await super().delete_by_ids(*arguments)


class House:
    """Erasures over one database, with a clock that is turned."""

    def __init__(self, mongo: Fragile) -> None:
        self.mongo = mongo
        self.clock = TurnedClock()
        self.ledger = MongoLedger(mongo, self.clock)
        self.exports = MongoExports(mongo)
        self.replies = MongoReplies(mongo, self.ledger)
        self.store = MongoErasures(mongo)
        self.erasures = Erasures(self.store, self.clock, KEY)

    async def prepare(self) -> None:
        for one in (self.ledger, self.exports, self.replies, self.store):
            await one.prepare()

    def eraser(self, owner: str = "receipts-1") -> Eraser:
        erased = ErasedStores(self.mongo, LedgerEraser(self.ledger, self.mongo), self.exports)
        return Eraser(self.store, erased, self.clock, METRICS, owner, TERMS)

    def id_of(self, days: float, number: int, phone: str = PHONE) -> str:
        return id_at(self.clock.now() - timedelta(days=days), number, phone)

    async def fill(self) -> None:
        """Write to two numbers, by two accounts; with replies, and an export of each account."""
        for number, days in enumerate(AGES):
            for offset, (account_id, phone) in enumerate(
                itertools.product(("acme", "other"), (PHONE, OTHER_PHONE))
            ):
                its = self.id_of(days, 10 * number + offset, phone)
                await keep(self.ledger, its, account_id=account_id, recipient=phone)
        hour_ago = self.clock.now() - timedelta(hours=1)
        await self.replies.insert_replies(
            [
                reply(f"{account_id}{phone}", hour_ago, account_id, phone)
                for account_id in ("acme", "other")
                for phone in (PHONE, OTHER_PHONE)
            ]
        )
        for account_id in ("acme", "other"):
            await self.export(account_id)

    async def export(self, account_id: str) -> None:
        now = self.clock.now()
        never = now + timedelta(days=3650)
        query = QUERY.model_copy(update={"account_id": account_id})
        shown = Shown(format=Format.CSV)
        export = Export(account_id, query, shown, ExportState.DONE, now, never, estimated=4)
        await self.exports.add(export, account_id, key_stays=True)
        await self.exports.add_part(account_id, BEGINNING._replace(n=1), never)

    async def carried_out(self, subject: Subject) -> Erasure:
        """Erase, with the second look behind the records' lag."""
        begun = await self.erasures.begin(subject, "operator")
        await self.eraser().turn()
        self.clock.turn(61)
        await self.eraser().turn()
        done = await self.erasures.load(begun.erasure_id)
        assert done is not None
        return done

    async def with_number(self, phone: str) -> int:
        found = [await count(self.mongo, kind, recipient=phone) for kind in ("messages", "settled")]
        assert found[0] == found[1]
        return found[0]


@pytest.fixture
async def house(mongo_url: str, namespace: str) -> AsyncIterator[House]:
    name = RuntimeSettings(namespace=namespace).database("receipts")
    clock = TurnedClock()
    mongo = Fragile(mongo_url, name, 10.0, RuntimeMetrics(CollectorRegistry()), clock)
    house = House(mongo)
    await house.prepare()
    yield house
    mongo.close()


async def test_a_number_goes_everywhere_and_nobody_elses(house: House) -> None:
    await house.fill()
    done = await house.carried_out(Subject("", PHONE))
    assert done.state is State.DONE
    assert done.removed == {
        Where.MESSAGES: 8,
        Where.CONTENTS: 8,
        Where.REPLIES: 2,
        Where.EXPORTS: 2,
    }
    assert set((done.left or {"none": 1}).values()) == {0}
    assert await house.with_number(PHONE) == 0
    assert await house.with_number(OTHER_PHONE) == 8
    assert await count(house.mongo, "contents") == 8
    assert await count(house.mongo, "replies", phone=OTHER_PHONE, text="好的") == 2
    assert await count(house.mongo, "replies", phone="", text="") == 2
    assert await count(house.mongo, "export_parts") == 0
    assert await count(house.mongo, "erasures", phone="") == 1
    proof = str(proof_of(done))
    assert PHONE not in proof
    assert done.phone_hash in proof


async def test_an_accounts_share_of_a_number_and_all_of_an_account_are_erased_alone(
    house: House,
) -> None:
    await house.fill()
    one = await house.carried_out(Subject("acme", PHONE))
    assert (one.removed[Where.MESSAGES], one.export_ids) == (4, ("acme",))
    assert await house.with_number(PHONE) == 4
    everything = await house.carried_out(Subject("other", ""))
    assert everything.removed[Where.MESSAGES] == 8
    assert everything.removed[Where.REPLIES] == 2
    assert await house.with_number(PHONE) == 0
    assert await house.with_number(OTHER_PHONE) == 4


async def test_an_instance_finds_weeks_that_another_has_begun(house: House) -> None:
    other = MongoLedger(house.mongo, house.clock)
    await keep(other, house.id_of(30, 1))
    done = await house.carried_out(Subject("", PHONE))
    assert done.removed[Where.MESSAGES] == 1
    assert await house.with_number(PHONE) == 0


async def test_parts_of_a_cancelled_export_that_were_left_go_too(house: House) -> None:
    await keep(house.ledger, house.id_of(1, 1))
    await house.export("acme")
    await house.exports.end("acme", ExportState.CANCELLED, house.clock.now())
    done = await house.carried_out(Subject("", PHONE))
    assert done.export_ids == ("acme",)
    assert await count(house.mongo, "export_parts") == 0


async def test_what_is_open_is_waited_for_and_what_comes_later_is_new(house: House) -> None:
    open_id = house.id_of(1, 1)
    await keep(house.ledger, open_id, is_settled=False)
    begun = await house.erasures.begin(Subject("", PHONE), "operator")
    house.clock.turn(100)
    await house.eraser().turn()
    waiting = await house.erasures.load(begun.erasure_id)
    assert waiting is not None
    assert (waiting.state, waiting.waiting_ids) == (State.WAITING, (open_id,))
    assert await house.ledger.texts_of([open_id])
    assert (await house.erasures.begin(Subject("", PHONE), "operator")).erasure_id == (
        begun.erasure_id
    )
    await keep(house.ledger, open_id)
    new_id = house.id_of(0, 2)
    await keep(house.ledger, new_id)
    house.clock.turn(61)
    await house.eraser().turn()
    done = await house.erasures.load(begun.erasure_id)
    assert done is not None
    assert (done.state, done.waiting_ids) == (State.DONE, ())
    assert (await house.ledger.texts_of([open_id, new_id])).keys() == {new_id}
    assert await count(house.mongo, "messages", recipient=PHONE) == 1


async def test_whatever_write_an_instance_dies_before_all_goes_and_counts_once(
    house: House,
) -> None:
    for dies_before in itertools.count(1):
        await house.fill()
        begun = await house.erasures.begin(Subject("", PHONE), "operator")
        house.clock.turn(61)
        house.mongo.writes, house.mongo.dies_before = 0, dies_before
        try:
            await house.eraser().turn()
        except Retryable:
            house.mongo.dies_before = -1
            house.clock.turn(61)
            assert await house.eraser("receipts-2").turn()
        else:
            assert dies_before > 20
            return
        done = await house.erasures.load(begun.erasure_id)
        assert done is not None
        assert done.state is State.DONE
        assert dict(done.removed) == {"messages": 8, "contents": 8, "replies": 2, "exports": 2}
        assert await house.with_number(PHONE) == 0
        for name in await house.mongo.collection_names():
            await house.mongo.delete_many(name, {})


async def test_the_proof_names_what_goes_by_itself_and_what_never_does(house: House) -> None:
    proof = proof_of(await house.carried_out(Subject("", PHONE)))
    by = {one["where"]: one["by"] for one in proof["expires_by_itself"]}
    done_at = proof["done_at"]
    assert by["Kafka: message.accepted.v1.{lane}"] < done_at + timedelta(days=9)
    # A record may be set aside as long as its topic keeps it, and stays there for 30 days.
    assert by[f"Kafka: {dlq_topic('router').name}"] > done_at + timedelta(days=37)
    assert by["ingest: inputs"] > done_at + timedelta(days=11)
    assert proof["without_a_bound"] == ["ingest: stops", "ingest: stop_facts"]
    assert proof["complete_at"] == max(at for at in by.values() if at is not None)


async def test_every_collection_of_receipts_is_declared(corner: Corner) -> None:
    service = await corner.start()
    names = {name.partition(".")[0] for name in await service.mongo().collection_names()}
    assert {"messages", "erasures", "exports"} <= names
    assert not names - OWN.keys()
