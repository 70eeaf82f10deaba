"""What retention needs of the world."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from receipts.ledger.weeks import Week
from receipts.retention.policy import Policy, Stage


class KeptLedger(Protocol):
    """The ledger, as far as things are taken out of it. Every removal may be repeated."""

    async def parts(self) -> list[tuple[str, Week]]: ...
    async def accounts_in(self, weeks: Iterable[Week]) -> set[str]: ...
    async def ids_of_account(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]: ...
    async def settled_among(self, message_ids: Collection[str]) -> set[str]: ...
    async def has_open(self, week: Week) -> bool: ...
    async def drop(self, kind: str, week: Week) -> None: ...
    async def remove_contents(self, message_ids: Collection[str]) -> int: ...
    async def remove_numbers(self, message_ids: Collection[str], at: datetime) -> int: ...
    async def remove_numbers_of_week(self, week: Week, at: datetime) -> None:
        """Take the numbers out of a whole week, to which nobody writes any more."""
        ...

    async def remove_all(self, message_ids: Collection[str], at: datetime) -> int: ...


class KeptPolicies(Protocol):
    """What accounts have been given through the API, beside the file's."""

    async def policies(self) -> dict[str, Policy]: ...

    async def save_policy(self, account_id: str, policy: Policy | None) -> None:
        """Give an account a policy of its own; None: the file's again."""
        ...


class KeptBeside(KeptPolicies, Protocol):
    """What is kept beside the ledger, and how far retention has come."""

    async def accounts(self) -> set[str]:
        """Name the accounts that have replies, or results that were given up."""
        ...

    async def remove_replies(
        self, stage: Stage, account_id: str, before: datetime, at: datetime
    ) -> int:
        """Take out of an account's replies before a time what goes at this stage."""
        ...

    async def remove_given_up(self, account_id: str, before: datetime) -> int:
        """Remove pushes that were given up, and were to be made before a time."""
        ...

    async def is_without_numbers(self, week: Week) -> bool: ...
    async def save_without_numbers(self, week: Week) -> None: ...

    async def cursor(self, stage: Stage, account_id: str) -> str:
        """Give the id that this stage has come to; empty at first."""
        ...

    async def save_cursor(self, stage: Stage, account_id: str, last_id: str) -> None: ...

    async def lease(self, owner: str, now: datetime, until: datetime) -> bool: ...
