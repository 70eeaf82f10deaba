"""Rows as they are shown: whole or masked, and in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from receipts.access import Sight
from receipts.ledger.timeline import masked
from receipts.log.as_of import AsOf
from receipts.log.domain import IN_FLIGHT
from receipts.log.ports import Found
from yizhan_contracts.events import Medium, Status
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import message_for


class Row(BaseModel):
    """A message, and what became of it."""

    message_id: str
    account_id: str
    reference: str
    phone: str = Field(description="E.164, masked without the right to see it.")
    country: str
    lane: str
    status: str = Field(description="Final, or `in-flight`.")
    meaning: str
    reason: str
    channel: str
    via: str
    carrier_code: str
    template_id: str
    batch_id: str
    accepted_at: datetime
    settled_at: datetime | None
    delivered_at: datetime | None
    attempts: int
    charging_num: int
    revision: int = Field(description="0 in flight; 2 where a late receipt changed it.")
    test: bool
    text: str | None = Field(description="Null: not asked for, or erased.")


class LogPage(BaseModel):
    """A page of messages, newest first."""

    messages: list[Row]
    next: str | None = Field(description="Ask again with it as `cursor`; null at the end.")
    complete: bool = Field(description="False: time was over before the page was full.")
    searched_until: datetime | None = Field(
        description="Where incomplete: nothing older than this has been looked at yet."
    )
    advice: str = Field(description="Where incomplete: what to do.")
    since: datetime | None = Field(description="The beginning of the range, asked or by default.")
    until: datetime | None
    as_of: AsOf


def row_of(found: Found, sight: Sight) -> Row:
    """Show a message."""
    message, settled = found.message, found.settled
    phone = message.get("recipient", "")
    return Row(
        message_id=found.message_id,
        account_id=message["account_id"],
        reference=message.get("reference", ""),
        phone=phone if sight.numbers else masked(phone),
        country=message["country"],
        lane=message["lane"],
        batch_id=message.get("batch_id", ""),
        template_id=message.get("template_id", ""),
        accepted_at=message["accepted_at"],
        charging_num=message["charging_num"],
        test=message["test"],
        text=found.text if sight.texts else None,
        **(_end_of(settled) if settled else _under_way(found)),
    )


def _end_of(settled: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": settled["status"],
        "meaning": meaning_of_end(settled),
        "reason": settled["reason"],
        "channel": settled["channel"],
        "via": settled["via"],
        "carrier_code": settled["carrier_code"],
        "settled_at": settled["settled_at"],
        "delivered_at": settled.get("delivered_at"),
        "attempts": settled["attempts"],
        "revision": settled["revision"],
    }


def _under_way(found: Found) -> dict[str, Any]:
    last = max(found.attempts, key=lambda fact: (fact["n"], fact["at"]), default=None)
    return {
        "status": IN_FLIGHT,
        "meaning": "It is on its way: nothing final is known yet.",
        "reason": "",
        "channel": last.get("channel", "") if last else "",
        "via": "",
        "carrier_code": "",
        "settled_at": None,
        "delivered_at": None,
        "attempts": last["n"] if last else 0,
        "revision": 0,
    }


def meaning_of_end(settled: Mapping[str, Any]) -> str:
    """Tell what became of a message, and why: what an operator answers who is asked."""
    if settled["status"] == Status.DELIVERED:
        by_call = settled["via"] == Medium.VOICE
        return "The call was answered." if by_call else "It was delivered."
    return message_for(Reason(settled["reason"]))
