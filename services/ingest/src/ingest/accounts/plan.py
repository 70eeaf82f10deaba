"""What was agreed with an account about its quota."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from ingest.entry import Entry

Money = Annotated[Decimal, Field(ge=0, decimal_places=4, max_digits=18)]


class Plan(Entry):
    """When an account is reminded that something runs low, and what comes back to it."""

    remind_at: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=10)] = ()
    """Of each package, in chargingNum: one reminder when it sinks to each of these."""
    remind_balance_at: Annotated[tuple[Money, ...], Field(max_length=10)] = ()
    returns: frozenset[Literal["failed", "expired", "cancelled", "unknown"]] = frozenset()
    """Messages that end so give back what they cost."""
