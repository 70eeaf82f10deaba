"""Accounts: what a customer is told of their own."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from yizhan_contracts.events._base import Event, Name, Utc


class NoticeKind(StrEnum):
    """What has become low."""

    PACKAGE_LOW = "package-low"
    BALANCE_LOW = "balance-low"


class AccountNotified(Event):
    """A package or the balance has sunk to a threshold. Repeats have the same ``notice_id``."""

    TOPIC = "account.notified.v1"

    notice_id: Name
    account_id: Name
    kind: NoticeKind
    package: str = ""
    """Which package, such as ``domestic``; empty for the balance."""
    threshold: Annotated[float, Field(ge=0)]
    left: float
    """In chargingNum; of the balance in its currency."""
    currency: str = ""
    noticed_at: Utc

    def key(self) -> str:
        return self.account_id
