"""What failed comes back, where the account's plan says so: once a message, and exactly.

Each verdict is a document that is inserted once. What a day's messages give back is summed anew
from them, and the wallet takes the difference to what it had taken for that day: whatever is
repeated or comes late, it ends with the right sum. A late "delivered" takes back what it gave.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ingest.ports import Catalogue
from ingest.quota.wallet import PackageKind
from yizhan_contracts.events import MessageSettled, Status
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Document, Index, Mongo

log = get_logger(__name__)

RETURNS = "returns"
APPLY_EVERY_S = 30.0
KEPT_S = 60 * 86_400
_OVERLAP = timedelta(minutes=5)
_BACK, _DELIVERED = "back", "delivered"

Day = tuple[str, PackageKind, str]
"""Account, package, and the day of acceptance: a message's verdicts are all in one."""


class Leases(Protocol):
    """What paid for messages."""

    async def leases_of(self, message_ids: Collection[str]) -> Mapping[str, tuple[str, int]]:
        """Give lease and units by message id, of those that were paid for."""
        ...


class TakesBack(Protocol):
    """The wallets."""

    async def set_returned(self, day: Day, units: int) -> None:
        """Make what a wallet has taken back for a day this much."""
        ...


class Returns:
    """Hears verdicts and books what comes back. ``run`` must be running."""

    def __init__(
        self, mongo: Mongo, leases: Leases, wallets: TakesBack, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._mongo = mongo
        self._leases = leases
        self._wallets = wallets
        self._catalogue = catalogue
        self._clock = clock
        self._since: datetime | None = None

    async def ensure_indexes(self) -> None:
        """Create what the sums and the look for news need."""
        by_day = Index((("account_id", 1), ("package", 1), ("day", 1)))
        await self._mongo.ensure_indexes(
            RETURNS, [by_day, Index((("seen_at", 1),), expire_after_s=KEPT_S)]
        )

    async def hear(self, events: Sequence[MessageSettled]) -> None:
        """Keep the verdicts that matter: at-least-once, idempotent. Raises Retryable."""
        kinds = {id(event): self._kind(event) for event in events}
        mine = [event for event in events if kinds[id(event)]]
        if not mine:
            return
        leases = await self._leases.leases_of({event.message_id for event in mine})
        now = self._clock.now()
        documents = [
            _document(event, kinds[id(event)], *leases[event.message_id], now)
            for event in mine
            if event.message_id in leases
        ]
        await self._mongo.insert_new(RETURNS, documents)

    def _kind(self, event: MessageSettled) -> str:
        account = self._catalogue.account(event.account_id)
        if account is None or not account.plan.returns:
            return ""
        if event.status is Status.DELIVERED:
            return _DELIVERED if event.revision > 1 else ""
        return _BACK if event.status.value in account.plan.returns else ""

    async def run(self) -> None:
        """Book for ever. Any number of processes may."""
        while True:
            try:
                await self.apply()
            except Retryable as error:
                log.warning("what comes back waits", extra={"why": str(error)})
            await self._clock.sleep(APPLY_EVERY_S)

    async def apply(self) -> None:
        """Book the days of which something was heard since the last time. Raises Retryable."""
        now = self._clock.now()
        query = {"seen_at": {"$gte": self._since - _OVERLAP}} if self._since else {}
        news = await self._mongo.find(RETURNS, query, fields=["account_id", "package", "day"])
        for day in {(one["account_id"], one["package"], one["day"]) for one in news}:
            account_id, package, date = day
            units = await self._sum(account_id, package, date)
            await self._wallets.set_returned((account_id, PackageKind(package), date), units)
        self._since = now

    async def _sum(self, account_id: str, package: str, date: str) -> int:
        found = await self._mongo.aggregate(
            RETURNS,
            [
                {"$match": {"account_id": account_id, "package": package, "day": date}},
                {
                    "$group": {
                        "_id": "$message_id",
                        "units": {"$max": "$units"},
                        "kinds": {"$addToSet": "$kind"},
                    }
                },
                {"$match": {"kinds": [_BACK]}},
                {"$group": {"_id": None, "units": {"$sum": "$units"}}},
            ],
        )
        return int(found[0]["units"]) if found else 0


def _document(
    event: MessageSettled, kind: str, lease_id: str, units: int, now: datetime
) -> Document:
    return {
        "_id": f"{event.message_id}.{kind}",
        "message_id": event.message_id,
        "kind": kind,
        "account_id": event.account_id,
        "package": lease_id.rpartition(".")[0],
        "units": units,
        "day": event.accepted_at.date().isoformat(),
        "seen_at": now,
    }
