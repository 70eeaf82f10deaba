"""A push in memory: customers that do as told, a store over dicts, records that note their end."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import NOON, accepted, message_id_of

from receipts.ledger.facts import Accepted
from receipts.metrics import Metrics
from receipts.push.endpoints import Endpoint
from receipts.push.lanes import Lanes
from receipts.push.later import Later
from receipts.push.ports import Answer, Waiting
from receipts.push.s3 import S3Status
from receipts.push.service import Pusher, PushTerms
from receipts.push.speaker import Speaker
from yizhan_contracts.events import (
    Lane,
    MessageSettled,
    Origin,
    OriginKind,
    Status,
    VoiceRequested,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import OpenRecord, RawRecord, Record, Retryable


class FastClock:
    """Real waiting, a hundred times as fast."""

    def __init__(self) -> None:
        self._begun = asyncio.get_running_loop().time()
        self.skipped_s = 0.0

    def monotonic(self) -> float:
        return (asyncio.get_running_loop().time() - self._begun) * 100 + self.skipped_s

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


class Customer:
    """An endpoint's far side."""

    def __init__(self) -> None:
        self.bodies: list[list[dict[str, str]]] = []
        self.answer = Answer.ACKNOWLEDGED
        self.takes_s = 0.0
        self.most_at_once = self._now = self.posts = 0

    async def post(self, clock: FastClock, body: list[dict[str, str]]) -> Answer:
        self.posts += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await clock.sleep(self.takes_s)
        finally:
            self._now -= 1
        if self.answer is Answer.ACKNOWLEDGED:
            self.bodies.append(body)
        return self.answer

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(result["smsId"], result["status"]) for body in self.bodies for result in body]


class Customers:
    """All of them, by the path of their URL."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self.by_path: dict[str, Customer] = {}

    async def post(self, endpoint: Endpoint, body: bytes) -> Answer:
        customer = self.by_path[str(endpoint.url.path)]
        return await customer.post(self._clock, json.loads(body)["smsResult"])


class MemoryPush:
    """PushStore over dicts."""

    def __init__(self) -> None:
        self.settled: dict[str, dict[str, Any]] = {}
        self.requested: dict[str, Mapping[str, Any]] = {}
        self.pushed: dict[str, set[S3Status]] = {}
        self.waiting: dict[str, Waiting] = {}
        self.parked: dict[str, Waiting] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}
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
            known = earliest.get(item.account_id, item.next_at)
            earliest[item.account_id] = min(known, item.next_at)
        return earliest

    async def due_of(self, account_id: str, until: datetime, limit: int) -> list[Waiting]:
        await self._reach()
        due = [w for w in self.waiting.values() if w.account_id == account_id]
        return sorted((w for w in due if w.next_at <= until), key=lambda w: w.next_at)[:limit]

    async def older_of(self, account_id: str, before: datetime, limit: int) -> list[Waiting]:
        await self._reach()
        its = [w for w in self.waiting.values() if w.account_id == account_id]
        return [w for w in its if w.first_at <= before][:limit]

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


class Pushing:
    """Pusher and Later on memory, with one account per name."""

    def __init__(self, *accounts: str, concurrency: int = 2) -> None:
        self.clock = FastClock()
        self.store = MemoryPush()
        self.customers = Customers(self.clock)
        endpoints = {}
        for account in accounts or ("acme",):
            self.customers.by_path[f"/{account}"] = Customer()
            endpoints[account] = Endpoint.model_validate(
                {"url": f"https://example.com/{account}", "concurrency": concurrency}
            )
        self.failures: list[BaseException] = []
        self.ended: dict[str, str] = {}
        metrics = Metrics(CollectorRegistry())
        lanes = Lanes(endpoints)
        speaker = Speaker(self.store, self.customers, self.clock, metrics)
        self.pusher = Pusher(
            lanes, self.store, speaker, self.clock, metrics, PushTerms(), self.failures.append
        )
        self.later = Later(lanes, self.store, speaker, self.clock, metrics, "me")
        self._ageing = asyncio.ensure_future(self.pusher.run())

    def customer(self, account: str = "acme") -> Customer:
        return self.customers.by_path[f"/{account}"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ageing.cancel()
        await self.pusher.stop()
        assert not self.failures

    def settle(
        self, *numbers: int, status: Status = Status.DELIVERED, account: str = "acme"
    ) -> None:
        """Settle messages and let the push hear of it."""
        for number in numbers:
            message_id = message_id_of(number)
            self.store.settle(message_id, sms_of(status))
            self.tell(settled(message_id, status, account))

    def tell(self, event: MessageSettled | VoiceRequested) -> OpenRecord[Any]:
        raw = RawRecord("message.settled.v1", 0, 0, None, None, (), 0)

        def end(_record: OpenRecord[Any], aside: object, abandoned: bool) -> None:  # noqa: FBT001
            how = "abandoned" if abandoned else "parked" if aside else "finished"
            self.ended[event.message_id] = how

        record: OpenRecord[Any] = OpenRecord(Record(raw, event), end)
        self.pusher.take([record])
        return record

    async def until(self, is_so: Callable[[], bool], within_s: float = 300.0) -> None:
        deadline = self.clock.monotonic() + within_s
        while not is_so():
            assert self.clock.monotonic() < deadline
            await asyncio.sleep(0.001)

    async def turns(self, seconds: float = 0.0) -> None:
        """Let time pass and serve what is due then."""
        self.clock.skipped_s += seconds
        await self.later.turn()
        await self.later.wait()


def sms_of(status: Status) -> dict[str, Any]:
    if status is Status.DELIVERED:
        return {"status": status.value, "delivered_at": NOON}
    return {"status": status.value, "reason": Reason.RECEIPT_OVERDUE.value}


def settled(message_id: str, status: Status, account: str = "acme") -> MessageSettled:
    return MessageSettled(
        message_id=message_id,
        account_id=account,
        status=status,
        country="CN",
        lane=Lane.STANDARD,
        charging_num=2,
        origin=Origin(kind=OriginKind.API, arrived_at=NOON),
        accepted_at=NOON,
        settled_at=NOON,
    )


def voice_requested(message_id: str, *, sms_failed: bool) -> VoiceRequested:
    return VoiceRequested(
        message_id=message_id,
        account_id="acme",
        recipient="+8613800001111",
        country="CN",
        language="zh",
        script="您的包裹已到达驿站",
        reason=Reason.HANDSET_UNREACHABLE,
        sms_failed=sms_failed,
        wait_until=NOON + timedelta(minutes=10),
        requested_at=NOON,
    )
