"""Batches: told finished once all is settled, whatever the order in which one hears of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.pushing import Pushing

from receipts.push.batches import Batches, OpenBatch
from yizhan_contracts.events import BatchClosed

IDS = tuple(message_id_of(number) for number in range(5))
CLOSED = BatchClosed(batch_id="b1", account_id="acme", total=5, message_ids=IDS, closed_at=NOON)


class Ledger:
    """BatchStore and StatusSource over dicts."""

    def __init__(self) -> None:
        self.batches: dict[str, OpenBatch] = {}
        self.statuses: dict[str, str] = {}
        self.asked = 0

    async def insert_batches(self, batches: Sequence[OpenBatch]) -> None:
        for one in batches:
            self.batches.setdefault(one.key, one)

    async def due_batches(self, until: datetime, limit: int) -> list[OpenBatch]:
        return [one for one in self.batches.values() if one.next_at <= until][:limit]

    async def put_off_batch(self, batch: OpenBatch) -> None:
        self.batches[batch.key] = batch

    async def remove_batches(self, batches: Sequence[OpenBatch]) -> None:
        for one in batches:
            self.batches.pop(one.key)

    async def statuses_of(self, message_ids: Collection[str]) -> Mapping[str, str]:
        self.asked += 1
        return {one: self.statuses[one] for one in message_ids if one in self.statuses}


def following(push: Pushing, ledger: Ledger) -> Batches:
    return Batches(push.lanes, ledger, ledger, push.store, push.announcing, push.clock, "me")


async def test_a_batch_is_told_finished_with_its_counts_when_all_is_settled() -> None:
    async with Pushing() as push:
        ledger = Ledger()
        batches = following(push, ledger)
        await batches.hear_closed([CLOSED])
        ledger.statuses = dict.fromkeys(IDS[:4], "delivered")
        push.clock.skipped_s += 10
        await batches.look()
        await push.turns()
        assert not push.customer().events
        ledger.statuses[IDS[4]] = "unknown"
        push.clock.skipped_s += 600
        await batches.look()
        await push.turns()
        (told,) = push.customer().events
        assert told["type"] == "batch.finished"
        assert told["data"] == {
            "batch_id": "b1",
            "total": 5,
            "counts": {"delivered": 4, "unknown": 1},
        }
        assert not ledger.batches


async def test_a_batch_that_is_closed_again_is_told_finished_once() -> None:
    async with Pushing() as push:
        ledger = Ledger()
        ledger.statuses = dict.fromkeys(IDS, "delivered")
        for _ in range(2):
            await following(push, ledger).hear_closed([CLOSED, CLOSED])
            push.clock.skipped_s += 10
            await following(push, ledger).look()
            await push.turns()
        assert len(push.customer().events) == 1


async def test_the_older_a_batch_is_the_less_often_it_is_looked_at() -> None:
    async with Pushing() as push:
        ledger = Ledger()
        batches = following(push, ledger)
        await batches.hear_closed([CLOSED])
        for _ in range(3600):
            push.clock.skipped_s += 1
            await batches.look()
        assert 10 < ledger.asked < 60
        (kept,) = ledger.batches.values()
        assert kept.next_at - push.clock.now() <= timedelta(minutes=5)


async def test_nobody_follows_a_batch_that_nobody_wants_to_hear_of() -> None:
    async with Pushing() as push:
        ledger = Ledger()
        stranger = CLOSED.model_copy(update={"account_id": "other"})
        await following(push, ledger).hear_closed([stranger])
        assert not ledger.batches
