"""Making exports, part by part: whoever has time takes the one that has waited longest.

Exactly once, whatever dies: a part is one document that holds its rows and where they end, under an
``_id`` of the export and the part's number. The next part begins where the last one that is stored
ends. A lease only keeps two instances from doing the same work; the ``_id`` decides.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from receipts.exports.columns import Row, Told, row_maker
from receipts.exports.csv_rows import csv_rows
from receipts.exports.domain import BEGINNING, Export, Format, Part, Shown, State
from receipts.exports.ports import ExportStore, MessageRows
from receipts.exports.xlsx_rows import xlsx_rows
from receipts.metrics import Metrics
from yizhan_runtime import Clock, Permanent, get_logger
from yizhan_runtime.repeating import repeat

log = get_logger(__name__)

_WRITERS: Final[dict[Format, Callable[[Sequence[Row]], bytes]]] = {
    Format.CSV: csv_rows,
    Format.XLSX: xlsx_rows,
}
_MOST_TRIES: Final = 10
"""Times that an export is taken up without another part: then it would never end."""
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class ExportTerms:
    """How much an instance does for exports."""

    share: float = 0.5
    """Of the time, at most: the rest belongs to the records. It rests after every page."""
    page: int = 2000
    part_rows: int = 20_000
    part_bytes: int = 8_000_000
    """Before compression: with the largest page behind it, a part stays under MongoDB's 16 MB."""
    idle_s: float = 2.0
    lease_s: float = 30.0


class ExportRunner:
    """Makes the parts of exports, one at a time, those of several exports in turn."""

    def __init__(
        self,
        store: ExportStore,
        rows: MessageRows,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        terms: ExportTerms,
    ) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._terms = terms

    async def run(self) -> None:
        """Make parts for ever. MongoDB away: again, later."""
        await repeat(self._turn_and_pause, self._clock, "an export")

    async def _turn_and_pause(self) -> float:
        return 0.0 if await self.turn() else self._terms.idle_s

    async def turn(self) -> bool:
        """Make one part of the export that has waited longest. False: there is none."""
        now = self._clock.now()
        until = now + timedelta(seconds=self._terms.lease_s)
        export = await self._store.claim(self._owner, now, until)
        if export is None:
            return False
        if export.tries > _MOST_TRIES:
            await self._fail(export, "it did not get on: see the log of receipts")
            return True
        try:
            await self._go_on(export)
        except Permanent as error:
            await self._fail(export, str(error))
        return True

    async def _go_on(self, export: Export) -> None:
        done = await self._store.last_part(export.export_id) or BEGINNING
        part = done if done.is_last else await self._add(export, done)
        if part is None:
            return  # another instance was quicker with this very part
        if not await self._store.progress(export.export_id, part, self._clock.now()):
            # Cancelled or erased in the meantime, perhaps before this part was stored.
            await self._store.remove_part(export.export_id, part.n)
        elif part.is_last:
            await self._finish(export, part)

    async def _add(self, export: Export, done: Part) -> Part | None:
        part = await self._make(export, done)
        if not await self._store.add_part(export.export_id, part, export.expires_at):
            return None
        self._metrics.record_exported(export.shown.format, part.rows)
        return part

    async def _make(self, export: Export, done: Part) -> Part:
        await self._rows.refresh()
        write = partial(_written, export.shown)
        pieces: list[bytes] = []
        rows = scanned = size = 0
        last_id, is_last = done.last_id or export.query.after, False
        while rows < self._terms.part_rows and size < self._terms.part_bytes:
            begun = self._clock.monotonic()
            page = await self._rows.rows(
                export.query, last_id, self._terms.page, with_text=export.shown.text
            )
            if page is None:
                is_last = True
                break
            piece = await asyncio.to_thread(write, page.told)
            pieces.append(piece)
            rows, scanned = rows + len(page.told), scanned + page.scanned
            size, last_id = size + len(piece), page.last_id
            await self._rest(self._clock.monotonic() - begun)
        data = await asyncio.to_thread(zlib.compress, b"".join(pieces), _LEVEL)
        return Part(
            n=done.n + 1,
            last_id=last_id,
            is_last=is_last,
            rows=rows,
            scanned=scanned,
            raw_size=size,
            total_rows=done.total_rows + rows,
            total_scanned=done.total_scanned + scanned,
            total_size=done.total_size + len(data),
            data=data,
        )

    async def _rest(self, worked_s: float) -> None:
        share = self._terms.share
        await self._clock.sleep(worked_s * (1 - share) / share)

    async def _finish(self, export: Export, last: Part) -> None:
        if await self._store.end(export.export_id, State.DONE, self._clock.now()):
            self._metrics.record_export(State.DONE)
            log.info(
                "an export is done",
                extra={
                    "export_id": export.export_id,
                    "account_id": export.query.account_id,
                    "rows": last.total_rows,
                },
            )

    async def _fail(self, export: Export, why: str) -> None:
        if await self._store.end(export.export_id, State.FAILED, self._clock.now(), why):
            self._metrics.record_export(State.FAILED)
            log.error("an export failed", extra={"export_id": export.export_id, "why": why})
        await self._store.remove_parts(export.export_id)


def _written(shown: Shown, told: Sequence[Told]) -> bytes:
    """Write rows. Raises Permanent for what cannot be: one export must not end its instance."""
    try:
        return _WRITERS[shown.format](list(map(row_maker(shown), told)))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Permanent(f"a row cannot be written: {type(error).__name__}") from error
