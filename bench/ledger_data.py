"""A ledger full of realistic messages, the same for the same seed and size.

Five accounts in ten countries over five weeks: numbers that come again, references, batches,
templates in several languages, half of the messages tried twice (four facts each on average),
97 % settled.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from receipts.ledger import documents as doc
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.consequences import SettledBy
from receipts.ledger.deadlines import Deadlines
from receipts.ledger.decisions import Reroute, SmsVerdict, Verdict
from receipts.ledger.facts import Kind, pushed_id
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    Decision,
    Lane,
    Medium,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    ReceiptReceived,
    ReceiptState,
    Status,
    TemplateUse,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime import to_json

Document = dict[str, Any]

WEEKS: Final = 5
_DEADLINES = Deadlines()
_AT_ONCE: Final = 2_000
_NUMBERS_EACH: Final = 5
"""Messages to a number, on average."""
_IN_A_BATCH: Final = 5_000
_YOUNG: Final = 0.02
_LOST: Final = 0.01
"""Not settled: the newest messages, and some of all the others."""
_POLICY: Final = Policy()

_PLACES: Final = (
    "菜鸟驿站",
    "东门丰巢柜",
    "学府路12号",
    "中关村店",
    "望京SOHO",
    "Main Street 5",
    "King's Cross",
)
_NAMES: Final = ("张三", "李娜", "王伟", "欧阳修文", "Nguyễn An", "García", "Smith", "Müller")
_TEXTS: Final = {
    "pickup-zh": "【{sender}】{name}您好,您的包裹{ref}已到达{place},取件码{code},请于22:00前领取。",
    "score-zh": "【{sender}】考生{name},您报考的科目成绩已公布:{code}分,准考证号{ref}。",
    "verify-zh": "【{sender}】验证码{code},5分钟内有效,请勿告诉他人。",
    "pickup-en": "{sender}: {name}, parcel {ref} waits at {place}. Your code: {code}.",
    "score-en": "{sender}: {name}, your result is {code}. Candidate {ref}.",
    "pickup-es": "{sender}: {name}, su paquete {ref} le espera en {place}. Código: {code}.",
}


class Tenant(NamedTuple):
    """An account: how much it sends, with what, and where to."""

    account_id: str
    share: float
    templates: tuple[str, ...]
    countries: tuple[tuple[str, str, float], ...]
    """Country, calling code and share."""
    lane: Lane
    has_batches: bool = False


TENANTS: Final = (
    Tenant(
        "exams", 0.45, ("score-zh", "score-en"),
        (("CN", "+861", 0.9), ("HK", "+8526", 0.1)), Lane.BULK, has_batches=True,
    ),
    Tenant(
        "parcels", 0.30, ("pickup-zh", "pickup-en"),
        (("CN", "+861", 0.8), ("SG", "+658", 0.1), ("MY", "+601", 0.1)), Lane.STANDARD,
    ),
    Tenant(
        "shop", 0.15, ("pickup-es", "pickup-en"),
        (("ES", "+346", 0.5), ("MX", "+5255", 0.3), ("US", "+1201", 0.2)), Lane.STANDARD,
    ),
    Tenant("bank", 0.09, ("verify-zh",), (("CN", "+861", 1.0),), Lane.URGENT),
    Tenant(
        "kiosk", 0.01, ("pickup-en",),
        (("GB", "+447", 0.5), ("DE", "+4915", 0.3), ("AU", "+614", 0.2)), Lane.STANDARD,
    ),
)  # fmt: skip

_ENDS: Final = (
    (0.930, Status.DELIVERED, Reason.NONE, ""),
    (0.945, Status.FAILED, Reason.NUMBER_VACANT, "MK:0001"),
    (0.960, Status.FAILED, Reason.HANDSET_UNREACHABLE, "EXPIRED"),
    (0.968, Status.FAILED, Reason.CARRIER_INTERCEPTED, "MK:0012"),
    (0.974, Status.FAILED, Reason.BLACKLISTED, "BLACK"),
    (0.990, Status.UNKNOWN, Reason.RECEIPT_OVERDUE, ""),
    (0.996, Status.EXPIRED, Reason.VALIDITY_EXPIRED, ""),
    (1.001, Status.CANCELLED, Reason.CANCELLED, ""),
)


@dataclass
class Made:
    """Documents of some messages, by what they are inserted with."""

    messages: list[Document] = field(default_factory=list)
    contents: list[Document] = field(default_factory=list)
    facts: list[Document] = field(default_factory=list)
    settled: list[Document] = field(default_factory=list)


def make_ledger(count: int, until: datetime, seed: int = 7, weeks: int = WEEKS) -> Iterator[Made]:
    """Make ``count`` messages of the weeks before ``until``, the oldest first."""
    maker = _Maker(count, until, seed, weeks)
    for first in range(0, count, _AT_ONCE):
        made = Made()
        for number in range(first, min(first + _AT_ONCE, count)):
            maker.add(number, made)
        yield made


async def fill_ledger(
    ledger: MongoLedger,
    count: int,
    until: datetime,
    *,
    seed: int = 7,
    weeks: int = WEEKS,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Insert what ``make_ledger`` makes, and tell how many messages are in."""
    done = 0
    for made in make_ledger(count, until, seed, weeks):
        await asyncio.gather(
            ledger.insert_messages(made.messages),
            ledger.insert_contents(made.contents),
            ledger.insert_facts(made.facts),
            ledger.insert_settled(made.settled),
        )
        done += len(made.messages)
        tell(done)


class _Maker:
    """Makes one message after the other, by the service's own ways of writing them down."""

    def __init__(self, count: int, until: datetime, seed: int, weeks: int) -> None:
        self._random = Random(seed)
        self._count = count
        self._until = until
        self._span = timedelta(weeks=weeks)
        self._shares = [tenant.share for tenant in TENANTS]
        self._rows = 0

    def add(self, number: int, made: Made) -> None:
        at = self._until - self._span * (1 - number / self._count)
        event = self._accepted(self._tenant(), number, at)
        made.messages.append(doc.message_document(event, event.valid_until + timedelta(seconds=20)))
        made.contents.append(doc.content_document(event, to_json(event)))
        is_open = number >= self._count * (1 - _YOUNG) or self._random.random() < _LOST
        status, reason, code = self._end()
        n = self._random.choice((1, 2))
        channel = f"{event.country.lower()}-{self._random.choice('abc')}"
        made.facts += self._tried(event, n, channel, at)
        if is_open:
            return
        done_at = at + timedelta(seconds=self._random.uniform(2, 40))
        made.facts += _heard(event, n, channel, status, reason, code, done_at)
        made.settled.append(_settled(event, n, channel, status, reason, code, done_at))

    def _tenant(self) -> Tenant:
        return self._random.choices(TENANTS, self._shares)[0]

    def _accepted(self, tenant: Tenant, number: int, at: datetime) -> MessageAccepted:
        draw = self._random
        country, prefix = self._place(tenant)
        phone = (
            f"{prefix}{draw.randrange(max(self._count // _NUMBERS_EACH, 1)):0{14 - len(prefix)}}"
        )
        template = draw.choice(tenant.templates)
        reference = f"{tenant.account_id[:2].upper()}{number:010}"
        text = _TEXTS[template].format(
            sender=tenant.account_id.title(),
            name=draw.choice(_NAMES),
            ref=reference,
            place=draw.choice(_PLACES),
            code=draw.randrange(100_000, 1_000_000),
        )
        return MessageAccepted(
            message_id=ids.new_message_id(phone, int(at.timestamp() * 1000), draw.getrandbits),
            account_id=tenant.account_id,
            reference=reference,
            lane=tenant.lane,
            recipient=phone,
            country=country,
            sender=tenant.account_id.title(),
            text=text,
            charging_num=1,
            template=TemplateUse(template_id=template, version=1, language=template[-2:]),
            policy=_POLICY,
            origin=Origin(kind=OriginKind.API, batch_id=self._batch(tenant), arrived_at=at),
            accepted_at=at,
            valid_until=at + timedelta(hours=1),
        )

    def _place(self, tenant: Tenant) -> tuple[str, str]:
        shares = [share for _, _, share in tenant.countries]
        country, prefix, _ = self._random.choices(tenant.countries, shares)[0]
        return country, prefix

    def _batch(self, tenant: Tenant) -> str:
        if not tenant.has_batches:
            return ""
        self._rows += 1
        return f"batch-{self._rows // _IN_A_BATCH}"

    def _end(self) -> tuple[Status, Reason, str]:
        drawn = self._random.random()
        return next((s, r, c) for below, s, r, c in _ENDS if drawn < below)

    def _tried(self, event: MessageAccepted, n: int, channel: str, at: datetime) -> list[Document]:
        tried: list[Document] = []
        if n > 1:
            first = f"{event.country.lower()}-x"
            outcome, reason = AttemptOutcome.FAILED, Reason.CARRIER_UNAVAILABLE
            failed = _attempt(event, 1, first, at, outcome=outcome, reason=reason, message=event)
            tried.append(doc.attempt_fact(failed, at, _DEADLINES))
            reroute = Reroute(1, Reason.CARRIER_UNAVAILABLE, (first,))
            tried.append(doc.rerouted_fact(event.message_id, reroute, at))
        submitted = _attempt(
            event,
            n,
            channel,
            at,
            outcome=AttemptOutcome.SUBMITTED,
            sender=event.sender,
            receipt_timeout_s=14_400.0,
            carrier_message_id=f"{self._random.getrandbits(64):016x}",
        )
        return [*tried, doc.attempt_fact(submitted, at, _DEADLINES)]


def _attempt(
    event: MessageAccepted,
    n: int,
    channel: str,
    at: datetime,
    **more: Any,  # noqa: ANN401 - the event's other fields
) -> AttemptFinished:
    return AttemptFinished(
        attempt_id=ids.attempt_id(event.message_id, n),
        message_id=event.message_id,
        n=n,
        channel=channel,
        carrier_account=f"{channel}/1",
        country=event.country,
        tried=(channel,),
        decision=Decision(why="best"),
        finished_at=at + timedelta(seconds=1),
        **more,
    )


def _heard(
    event: MessageAccepted,
    n: int,
    channel: str,
    status: Status,
    reason: Reason,
    code: str,
    at: datetime,
) -> Sequence[Document]:
    """Give the receipt, where one came, and the push."""
    says = {Status.DELIVERED: ReceiptState.DELIVERED, Status.FAILED: ReceiptState.FAILED}
    attempt_id = ids.attempt_id(event.message_id, n)
    pushed = {
        "_id": pushed_id(event.message_id, "0" if status is Status.DELIVERED else "1"),
        "message_id": event.message_id,
        "kind": Kind.PUSHED.value,
        "state": "0" if status is Status.DELIVERED else "1",
        "at": at,
    }
    if status not in says:
        return [pushed]
    receipt = ReceiptReceived(
        channel=channel,
        carrier_account=f"{channel}/1",
        carrier_message_id=event.message_id[16:],
        attempt_id=attempt_id,
        state=says[status],
        reason=reason,
        carrier_code=code,
        country=event.country,
        received_at=at,
    )
    return [doc.receipt_fact(receipt, attempt_id), pushed]


def _settled(
    event: MessageAccepted,
    n: int,
    channel: str,
    status: Status,
    reason: Reason,
    code: str,
    at: datetime,
) -> Document:
    delivered_at = at if status is Status.DELIVERED else None
    sms = SmsVerdict(status, reason, code, delivered_at)
    verdict = Verdict(status, Medium.SMS, reason, code, channel, n, delivered_at, sms)
    accepted = doc.accepted_of(doc.message_document(event, event.valid_until))
    return doc.settled_document(accepted, verdict, at, SettledBy.RECORD.value)
