"""The stores of the push over dicts."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.receipts.tests.unit.making import accepted

from receipts.ledger.facts import Accepted
from receipts.push.endpoints import lane_id_of
from receipts.push.events import Announced
from receipts.push.ports import Place, Waiting
from receipts.push.replays import Progress, Replay
from receipts.push.s3 import S3Status
from yizhan_runtime import Retryable


class MemoryPush:
    """ResultStore, WaitingStore, EventStore, ReplySource and ReplayStore over dicts."""

    def __init__(self) -> None:
        self.settled: dict[str, dict[str, Any]] = {}
        self.requested: dict[str, Mapping[str, Any]] = {}
        self.pushed: dict[str, set[S3Status]] = {}
        self.waiting: dict[str, Waiting] = {}
        self.parked: dict[str, Waiting] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}
        self.announced: dict[str, tuple[Announced, datetime]] = {}
        self.said: set[str] = set()
        self.replies: dict[str, Mapping[str, Any]] = {}
        self.replays: dict[str, Replay] = {}
        self.is_away = False

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise Retryable("away")

    async def settled_of(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        await self._reach()
        return {i: self.settled[i] for i in message_ids if i in self.settled}

    async def accepted_of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        await self._reach()
        return {i: accepted(i) for i in message_ids}

    async def failed_sms_of(self, message_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        await self._reach()
        return {i: self.requested[i] for i in message_ids if i in self.requested}

    async def pushed_of(self, message_ids: Collection[str]) -> dict[str, set[S3Status]]:
        await self._reach()
        return {i: set(self.pushed[i]) for i in message_ids if i in self.pushed}

    async def save_pushed(self, said: Sequence[tuple[str, S3Status]], at: datetime) -> None:
        await self._reach()
        for message_id, status in said:
            self.pushed.setdefault(message_id, set()).add(status)

    async def save_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._reach()
        for item in waiting:
            self.waiting.setdefault(item.waiting_id, item)

    async def earliest_waiting(self) -> dict[str, datetime]:
        await self._reach()
        earliest: dict[str, datetime] = {}
        for item in self.waiting.values():
            lane_id = lane_id_of(item.about, item.account_id)
            earliest[lane_id] = min(earliest.get(lane_id, item.next_at), item.next_at)
        return earliest

    def _in(self, lane_id: str, items: dict[str, Waiting]) -> list[Waiting]:
        return [w for w in items.values() if lane_id_of(w.about, w.account_id) == lane_id]

    async def due_of(self, lane_id: str, until: datetime, limit: int) -> list[Waiting]:
        await self._reach()
        due = self._in(lane_id, self.waiting)
        return sorted((w for w in due if w.next_at <= until), key=lambda w: w.next_at)[:limit]

    async def older_of(self, lane_id: str, before: datetime, limit: int) -> list[Waiting]:
        await self._reach()
        its = self._in(lane_id, self.waiting)
        return [w for w in its if w.first_at <= before][:limit]

    async def parked_of(
        self, lane_id: str, since: datetime, until: datetime, status: str, limit: int
    ) -> list[Waiting]:
        await self._reach()
        its = [w for w in self._in(lane_id, self.parked) if status in ("", w.status)]
        return [w for w in its if since <= w.first_at < until][:limit]

    async def unpark(self, waiting: Sequence[Waiting]) -> None:
        await self.save_waiting(waiting)
        for item in waiting:
            self.parked.pop(item.waiting_id)

    async def settled_ids_of(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]:
        await self._reach()
        return sorted(i for i in self.settled if after < i < below)[:limit]

    async def insert_announced(self, announced: Sequence[Announced], at: datetime) -> None:
        await self._reach()
        for one in announced:
            self.announced.setdefault(one.event_id, (one, at))

    async def announced_of(self, event_ids: Collection[str]) -> dict[str, Announced]:
        await self._reach()
        return {i: self.announced[i][0] for i in event_ids if i in self.announced}

    async def said_of(self, event_ids: Collection[str]) -> set[str]:
        await self._reach()
        return self.said & set(event_ids)

    async def save_said(self, event_ids: Sequence[str], at: datetime) -> None:
        await self._reach()
        self.said |= set(event_ids)

    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]:
        await self._reach()
        its = [
            Place(one.position(at), one.event_id)
            for one, at in self.announced.values()
            if one.account_id == account_id
        ]
        return sorted(place for place in its if after < place.position < below)[:limit]

    async def replies_of(self, reply_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
        await self._reach()
        return {i: self.replies[i] for i in reply_ids if i in self.replies}

    async def add(self, job: Replay) -> None:
        self.replays[job.replay_id] = job

    async def save(self, job: Replay) -> bool:
        await self._reach()
        if self.replays[job.replay_id].progress is not Progress.RUNNING:
            return False
        self.replays[job.replay_id] = job
        return True

    async def find(self, replay_id: str) -> Replay | None:
        await self._reach()
        return self.replays.get(replay_id)

    async def running(self, limit: int) -> Sequence[Replay]:
        await self._reach()
        return [job for job in self.replays.values() if job.progress is Progress.RUNNING][:limit]

    async def of_account(self, account_id: str, limit: int) -> Sequence[Replay]:
        return [job for job in self.replays.values() if job.account_id == account_id][:limit]

    async def put_off(self, waiting: Sequence[Waiting]) -> None:
        await self._reach()
        for item in waiting:
            self.waiting[item.waiting_id] = item

    async def park(self, waiting: Sequence[Waiting], at: datetime) -> None:
        await self._reach()
        for item in waiting:
            self.parked[item.waiting_id] = self.waiting.pop(item.waiting_id)

    async def remove_waiting(self, waiting: Sequence[Waiting]) -> None:
        await self._reach()
        for item in waiting:
            self.waiting.pop(item.waiting_id, None)

    async def lease(self, account_id: str, owner: str, now: datetime, until: datetime) -> bool:
        await self._reach()
        holder, its_end = self.leases.get(account_id, (owner, until))
        if holder != owner and its_end > now:
            return False
        self.leases[account_id] = (owner, until)
        return True

    async def count_waiting(self) -> tuple[int, int]:
        await self._reach()
        return len(self.waiting), len(self.parked)

    def settle(self, message_id: str, sms: Mapping[str, Any]) -> None:
        self.settled[message_id] = {
            "_id": message_id,
            "recipient": "+8613800001111",
            "charging_num": 2,
            "time_zone": "Asia/Shanghai",
            "sms": sms,
        }
