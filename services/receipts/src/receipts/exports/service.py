"""What is done with exports by those who ask for them: begin, look, read, cancel."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from receipts.exports.columns import columns_of
from receipts.exports.csv_rows import csv_header
from receipts.exports.domain import Export, ExportQuery, Format, Shown, State, sheets_of
from receipts.exports.ports import ExportStore, MessageRows
from receipts.exports.workbook import MOST_BYTES, MOST_ROWS, Zipped
from yizhan_runtime import Clock, Permanent

_LISTED: Final = 100


class Exports:
    """The use cases. Two instances may serve one export: everything is in the store."""

    def __init__(
        self, store: ExportStore, rows: MessageRows, clock: Clock, kept: timedelta
    ) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._kept = kept

    async def begin(self, query: ExportQuery, shown: Shown, key: str, *, key_stays: bool) -> Export:
        """Begin an export; a repeat under the same key gives the one that there is.

        ``key_stays``: also when it is done, until it expires. Else only while it is not.
        """
        if known := await self._store.under(key):
            return known
        now = self._clock.now()
        await self._rows.refresh()
        new = Export(
            export_id=secrets.token_hex(12),
            query=query,
            shown=shown,
            state=State.RUNNING,
            created_at=now,
            expires_at=now + self._kept,
            estimated=await self._rows.count(query),
        )
        if await self._store.add(new, key, key_stays=key_stays):
            return new
        # Another was quicker with the same; if that is over already, this is a new one.
        return await self.begin(query, shown, key, key_stays=key_stays)

    async def load(self, export_id: str) -> Export | None:
        return await self._store.load(export_id)

    async def list_of(self, account_id: str) -> list[Export]:
        return await self._store.list_of(account_id, _LISTED)

    async def cancel(self, export_id: str) -> Export | None:
        """End it, whether it runs or is done; its file is gone."""
        await self._store.end(export_id, State.CANCELLED, self._clock.now())
        await self._store.remove_parts(export_id)
        return await self._store.load(export_id)

    async def file(self, export: Export) -> AsyncIterator[bytes]:
        """Give the file of one that is done, piece by piece. Raises Permanent if a part is gone."""
        if export.shown.format is Format.CSV:
            yield csv_header(columns_of(export.shown))
            for n in range(1, export.parts + 1):
                yield await self._data(export, n)
            return
        async for piece in self._workbook(export):
            yield piece

    async def _workbook(self, export: Export) -> AsyncIterator[bytes]:
        sheets = sheets_of(await self._store.sizes(export.export_id), MOST_ROWS, MOST_BYTES)
        zipped = Zipped(columns_of(export.shown), len(sheets))
        yield zipped.begin()
        for number, parts in enumerate(sheets, start=1):
            yield zipped.open_sheet(number)
            for part in parts:
                data = await self._data(export, part.n)
                yield await asyncio.to_thread(zipped.add, data)
            yield zipped.close_sheet()
        yield zipped.end()

    async def _data(self, export: Export, n: int) -> bytes:
        data = await self._store.data(export.export_id, n)
        if data is None:
            raise Permanent(f"part {n} of the export {export.export_id} is gone")
        return data
