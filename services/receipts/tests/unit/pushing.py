"""A push in memory: customers that do as told, a store over dicts, records that note their end."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.memory_push import MemoryPush

from receipts.metrics import Metrics
from receipts.push.announcing import Announcing, Events
from receipts.push.endpoints import About, Endpoint, Secret, Wishes
from receipts.push.lanes import Lanes
from receipts.push.later import Later
from receipts.push.ports import Answer, Heard, Request
from receipts.push.replaying import Replaying, ReplayTerms
from receipts.push.results import Results
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
from yizhan_runtime import OpenRecord, RawRecord, Record


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
        self.events: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.answer = Answer.ACKNOWLEDGED
        self.takes_s = 0.0
        self.most_at_once = self._now = self.posts = 0

    async def post(self, clock: FastClock, request: Request) -> Heard:
        self.posts += 1
        self.requests.append(request)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await clock.sleep(self.takes_s)
        finally:
            self._now -= 1
        return self._taken(json.loads(request.body))

    def _taken(self, body: dict[str, Any]) -> Heard:
        if self.answer is Answer.REFUSED:
            return Heard(200, b'{"respCode":"00001"}') if "smsResult" in body else Heard(500)
        if self.answer is not Answer.ACKNOWLEDGED:
            return Heard(failure=self.answer)
        if "smsResult" in body:
            self.bodies.append(body["smsResult"])
            return Heard(200, b'{"respCode":"00000"}')
        self.events.append(body)
        return Heard(204)

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(result["smsId"], result["status"]) for body in self.bodies for result in body]


class Customers:
    """All of them, by the path of their URL."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self.by_path: dict[str, Customer] = {}

    async def post(self, request: Request) -> Heard:
        return await self.by_path[request.url.path].post(self._clock, request)


class Pushing:
    """Pusher and Later on memory, with one account per name."""

    def __init__(self, *accounts: str, concurrency: int = 2) -> None:
        self.clock = FastClock()
        self.store = MemoryPush()
        self.customers = Customers(self.clock)
        self.failures: list[BaseException] = []
        self.ended: dict[str, str] = {}
        metrics = Metrics(CollectorRegistry())
        results = Speaker(Results(self.store), self.customers, self.clock, metrics)
        events = Speaker(Events(self.store, self.store), self.customers, self.clock, metrics)
        self.lanes = Lanes({About.RESULTS: results, About.EVENTS: events})
        self.endpoints: dict[str, Endpoint] = {}
        for account in accounts or ("acme",):
            self.customers.by_path[f"/{account}"] = Customer()
            self.put(account, concurrency)
        self.pusher = Pusher(
            self.lanes, self.store, self.clock, metrics, PushTerms(), self.failures.append
        )
        self.later = Later(self.lanes, self.store, self.clock, metrics, "me")
        self.announcing = Announcing(
            self.lanes, self.store, self.store, self.later.wake, self.clock, metrics
        )
        terms = ReplayTerms(per_s=100.0)
        self.replaying = Replaying(
            self.lanes, self.store, self.store, self.clock, metrics, "me", terms
        )
        self._ageing = asyncio.ensure_future(self.pusher.run())

    def put(self, account: str, concurrency: int = 2, *secrets: Secret) -> None:
        url = f"https://example.com/{account}"
        wishes = Wishes.model_validate({"url": url, "events_url": url, "concurrency": concurrency})
        self.change(account, Endpoint(account, wishes, secrets=secrets))

    def change(self, account: str, endpoint: Endpoint) -> None:
        self.endpoints[account] = endpoint
        self.lanes.put(endpoint)

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
