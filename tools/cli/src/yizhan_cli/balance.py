"""The balance of messages and attempts, asked of the services a slice of time at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from yizhan_cli.client import Edge, call
from yizhan_cli.commands.trace import ask_story
from yizhan_cli.errors import NotFound

CLAIM_WITHOUT_END = "claim-without-end"
"""Claimed, and neither an outcome nor a word in the ledger: nobody knows what became of it."""
_ENDS = frozenset({"submitted", "refused", "failed", "in-doubt", "unroutable", "expired"})


@dataclass
class Balance:
    """What was counted, summed over all slices."""

    lanes: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    channels: dict[str, Counter[str]] = field(default_factory=dict)
    leaks: dict[str, list[str]] = field(default_factory=dict)
    in_doubt: list[str] = field(default_factory=list)
    is_even: bool = True

    @property
    def holds(self) -> bool:
        return self.is_even and not any(self.leaks.values())

    def add_messages(self, told: dict[str, Any]) -> None:
        """Add what receipts told of a slice."""
        for one in told["lanes"]:
            counts = self.lanes.setdefault((one["country"], one["lane"]), Counter())
            counts.update({"accepted": one["accepted"], "in flight": one["in_flight"]})
            counts.update(one["settled"])
        for one in told["channels"]:
            counts = self.channels.setdefault(one["channel"], Counter())
            counts.update(one["finished"])
            counts["awaiting receipt"] += one["awaiting_receipt"]
        for leak, ids in told["leaks"].items():
            self.leaks.setdefault(leak, []).extend(ids)
        self.is_even &= bool(told["holds"]) or any(told["leaks"].values())

    def add_attempts(self, told: dict[str, Any]) -> list[str]:
        """Add what the carrier-adapter told of a slice; give the attempts without an outcome."""
        for one in told["channels"]:
            counts = self.channels.setdefault(one["channel"], Counter())
            counts.update({"claimed": one["claimed"], "under way": one["under_way"]})
        found: list[str] = told["without_outcome"]
        return found

    def add_without_outcome(self, attempt_id: str, *, is_known: bool) -> None:
        """Add an attempt whose outcome nobody stored: in doubt, where the ledger knows its end."""
        to = self.in_doubt if is_known else self.leaks.setdefault(CLAIM_WITHOUT_END, [])
        to.append(attempt_id)


def ask_balance(
    receipts: Edge, adapter: Edge, slices: Sequence[tuple[datetime, datetime]], timeout_s: float
) -> Balance:
    """Ask both services. Raises Unavailable."""
    balance = Balance()
    for since, until in slices:
        query = urlencode({"since": since.isoformat(), "until": until.isoformat()})
        path = f"/v1/conservation?{query}"
        # A claim comes before its end: what is asked second may only know more.
        without = balance.add_attempts(call(adapter, "GET", path, timeout_s=timeout_s))
        for attempt_id in without:
            is_known = _has_end(receipts, attempt_id, timeout_s)
            balance.add_without_outcome(attempt_id, is_known=is_known)
        balance.add_messages(call(receipts, "GET", path, timeout_s=timeout_s))
    return balance


def slices_of(
    since: datetime, until: datetime, length: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Cut a time into slices, the last of which may be shorter."""
    while since < until:
        end = min(since + length, until)
        yield since, end
        since = end


def _has_end(receipts: Edge, attempt_id: str, timeout_s: float) -> bool:
    message_id, _, n = attempt_id.partition("-")
    try:
        story = ask_story(receipts, message_id, timeout_s)
    except NotFound:
        return False
    return any(fact.get("what") in _ENDS and fact.get("n") == int(n) for fact in story["timeline"])
