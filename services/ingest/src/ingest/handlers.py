"""Records of ``shipment.updated`` to the use case. No logic."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ingest.events.parsing import ShipmentEvent, Unreadable, read
from ingest.events.service import Arrival, TakeShipmentEvents
from ingest.optouts.service import OptOuts
from ingest.quota.returns import Returns
from yizhan_contracts.events import MessageSettled, ReplyReceived
from yizhan_contracts.topics import MESSAGE_SETTLED, REPLY_RECEIVED, SHIPMENT_UPDATED
from yizhan_runtime.aside import Aside, SetAside
from yizhan_runtime.batch import BatchRoute
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import Parked, RawRecord, Record, contract

log = get_logger(__name__)

Read = ShipmentEvent | Unreadable


class ShipmentHandler:
    """Takes batches of shipment events, readable or not: each gets an answer.

    What cannot be read goes to the DLQ from here, after its answer, instead of from the consumer:
    the consumer sets poison aside before anybody could answer it.
    """

    def __init__(self, use_case: TakeShipmentEvents, set_aside: SetAside) -> None:
        self._use_case = use_case
        self._set_aside = set_aside

    def route(self) -> BatchRoute[Read]:
        """Declare what is read, how, and by whom."""
        return BatchRoute((SHIPMENT_UPDATED.name,), read, self.on_shipment_updated, foreign=True)

    async def on_shipment_updated(self, records: Sequence[Record[Read]]) -> Sequence[Parked]:
        """Take a batch; when this returns, all of it is durable."""
        await self._use_case.take(
            [Arrival(record.raw.origin, _arrived_at(record), record.event) for record in records]
        )
        await self._set_aside.put([aside for record in records for aside in _poison(record)])
        return ()


class ReplyHandler:
    """Takes batches of replies: some ask to get no more."""

    def __init__(self, opt_outs: OptOuts) -> None:
        self._opt_outs = opt_outs

    def route(self) -> BatchRoute[ReplyReceived]:
        """Declare what is read, how, and by whom."""
        return BatchRoute((REPLY_RECEIVED.name,), contract(ReplyReceived), self.on_reply_received)

    async def on_reply_received(self, records: Sequence[Record[ReplyReceived]]) -> Sequence[Parked]:
        """Take a batch; when this returns, what it asks for is in force."""
        await self._opt_outs.hear([record.event for record in records])
        return ()


class SettledHandler:
    """Takes batches of final verdicts: what failed may come back."""

    def __init__(self, returns: Returns) -> None:
        self._returns = returns

    def route(self) -> BatchRoute[MessageSettled | None]:
        """Declare what is read, how, and by whom."""
        return BatchRoute((MESSAGE_SETTLED.name,), _settled, self.on_message_settled)

    async def on_message_settled(
        self, records: Sequence[Record[MessageSettled | None]]
    ) -> Sequence[Parked]:
        """Take a batch; when this returns, what matters of it is stored."""
        await self._returns.hear([one.event for one in records if one.event is not None])
        return ()


_DELIVERED: Final = (b'"status":"delivered"', b'"revision":1,')
_parse_settled = contract(MessageSettled)


def _settled(raw: RawRecord) -> MessageSettled | None:
    """Parse what may matter: nearly all are delivered at once, and told by two looks."""
    if raw.value is not None and all(sign in raw.value for sign in _DELIVERED):
        return None
    return _parse_settled(raw)


def _arrived_at(record: Record[Read]) -> datetime:
    return datetime.fromtimestamp(record.raw.timestamp_ms / 1000, UTC)


def _poison(record: Record[Read]) -> Sequence[Aside]:
    event = record.event
    if isinstance(event, ShipmentEvent) or not event.is_poison:
        return ()
    log.warning(
        "poison",
        extra={"origin": record.raw.origin, "code": event.code, "detail": event.detail},
    )
    return (Aside(record.raw, event.code, event.detail),)
