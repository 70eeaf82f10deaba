"""Exports in memory: a ledger's rows, and parts that are stored once."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.world import Steps

from receipts.exports.columns import Told
from receipts.exports.domain import Export, ExportQuery, Part, PartSize, State
from receipts.exports.ports import Page

QUERY = ExportQuery(
    account_id="acme", since=datetime(1970, 1, 1, tzinfo=UTC), until=NOON + timedelta(days=1)
)


def told_of(number: int, text: str | None = None, **changes: Any) -> Told:
    message = {
        "_id": message_id_of(number),
        "reference": f"SF{number}",
        "recipient": "+8613800001111",
        "country": "CN",
        "lane": "standard",
        "time_zone": "Asia/Shanghai",
        "accepted_at": NOON,
        "charging_num": 2,
    }
    settled = {
        "status": "failed",
        "reason": "number-vacant",
        "carrier_code": "MK:0001",
        "channel": "a",
        "via": "",
        "attempts": 1,
        "settled_at": NOON + timedelta(seconds=3),
    }
    return Told(message | changes, settled if number % 2 else {}, text)


class MemoryRows:
    """So many messages."""

    def __init__(self, count: int, steps: Steps) -> None:
        self.all = [told_of(number, text=f"text {number}") for number in range(count)]
        self._steps = steps

    async def refresh(self) -> None:
        """All is known here."""

    async def rows(
        self, query: ExportQuery, after: str, limit: int, *, with_text: bool
    ) -> Page | None:
        await self._steps.take()
        found = [told for told in self.all if told.message["_id"] > after][:limit]
        return Page(found, len(found), found[-1].message["_id"]) if found else None

    async def count(self, query: ExportQuery) -> int:
        return len(self.all)


class MemoryExports:
    """Implements ExportStore over dicts."""

    def __init__(self, steps: Steps) -> None:
        self.exports: dict[str, Export] = {}
        self.keys: dict[str, tuple[str, bool]] = {}
        self.parts: dict[tuple[str, int], Part] = {}
        self.leases: dict[str, datetime] = {}
        self.steps = steps

    async def add(self, export: Export, key: str, *, key_stays: bool) -> bool:
        if key in self.keys:
            return False
        self.keys[key] = (export.export_id, key_stays)
        self.exports[export.export_id] = export
        return True

    async def under(self, key: str) -> Export | None:
        return self.exports[self.keys[key][0]] if key in self.keys else None

    async def load(self, export_id: str) -> Export | None:
        return self.exports.get(export_id)

    async def list_of(self, account_id: str, limit: int) -> list[Export]:
        return [one for one in self.exports.values() if one.query.account_id == account_id][:limit]

    async def claim(self, owner: str, now: datetime, until: datetime) -> Export | None:
        await self.steps.take()
        for export_id, export in self.exports.items():
            if export.state is State.RUNNING and self.leases.get(export_id, now) <= now:
                self.leases[export_id] = until
                self.exports[export_id] = export._replace(tries=export.tries + 1)
                return self.exports[export_id]
        return None

    async def last_part(self, export_id: str) -> Part | None:
        await self.steps.take()
        numbers = [n for its, n in self.parts if its == export_id]
        return self.parts[export_id, max(numbers)] if numbers else None

    async def add_part(self, export_id: str, part: Part, expires_at: datetime) -> bool:
        await self.steps.take()
        is_new = (export_id, part.n) not in self.parts
        self.parts.setdefault((export_id, part.n), part)
        return is_new

    async def progress(self, export_id: str, part: Part, now: datetime) -> bool:
        await self.steps.take()
        export = self.exports[export_id]
        if export.state is not State.RUNNING:
            return False
        self.leases[export_id] = now
        self.exports[export_id] = export._replace(
            rows=part.total_rows, parts=part.n, scanned=part.total_scanned, tries=0
        )
        return True

    async def end(self, export_id: str, state: State, at: datetime, error: str = "") -> bool:
        await self.steps.take()
        export = self.exports[export_id]
        live = {State.RUNNING} if state is State.DONE else {State.RUNNING, State.DONE}
        if export.state not in live:
            return False
        self.exports[export_id] = export._replace(state=state, done_at=at, error=error)
        self.keys = {
            key: (its, stays)
            for key, (its, stays) in self.keys.items()
            if its != export_id or (state is State.DONE and stays)
        }
        return True

    async def remove_part(self, export_id: str, n: int) -> None:
        self.parts.pop((export_id, n), None)

    async def remove_parts(self, export_id: str) -> int:
        await self.steps.take()
        gone = [key for key in self.parts if key[0] == export_id]
        for key in gone:
            del self.parts[key]
        return len(gone)

    async def sizes(self, export_id: str) -> Sequence[PartSize]:
        found = sorted((n, part) for (its, n), part in self.parts.items() if its == export_id)
        return [PartSize(n, part.rows, part.raw_size) for n, part in found]

    async def data(self, export_id: str, n: int) -> bytes | None:
        part = self.parts.get((export_id, n))
        return None if part is None else zlib.decompress(part.data)
