"""A workbook around stored rows: zipped while it is sent, so that no file is ever whole here."""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import IO, Final

from xlsxwriter import Workbook

from receipts.exports.columns import Column, Sort

MOST_ROWS: Final = 1_048_575
"""Excel's own limit, less the header."""
MOST_BYTES: Final = 2_000_000_000
"""Of one sheet's XML: from 2 GiB on zip needs its 64-bit form, which Excel does not open."""
_LEVEL: Final = 1
"""Twice as large as level 6, and five times as fast."""
_SHEET: Final = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_DIMENSION: Final = re.compile(rb"<dimension [^>]*/>")
_END: Final = b"</sheetData>"


class Zipped:
    """Gives a workbook's bytes piece by piece: whoever sends it puts the rows in between."""

    def __init__(self, columns: Sequence[Column], sheets: int) -> None:
        self._files = _skeleton(columns, sheets)
        self._out = _Pieces()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._sheet: IO[bytes] = io.BytesIO()  # until the first is opened
        self._end = b""

    def begin(self) -> bytes:
        """Write all but the sheets."""
        for name in [name for name in self._files if not _SHEET.fullmatch(name)]:
            self._zip.writestr(name, self._files[name])
        return self._out.take()

    def open_sheet(self, number: int) -> bytes:
        """Begin a sheet, 1, 2, ...: its header."""
        name = f"xl/worksheets/sheet{number}.xml"
        begin, end, rest = self._files[name].partition(_END)
        self._end = end + rest
        self._sheet = self._zip.open(name, "w")
        return self.add(_DIMENSION.sub(b"", begin))

    def add(self, rows: bytes) -> bytes:
        """Add rows to the sheet that is open."""
        self._sheet.write(rows)
        return self._out.take()

    def close_sheet(self) -> bytes:
        self._sheet.write(self._end)
        self._sheet.close()
        return self._out.take()

    def end(self) -> bytes:
        self._zip.close()
        return self._out.take()


class _Pieces:
    """What a ZipFile writes to when nobody can seek in it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing waits here."""

    def close(self) -> None:
        """Do nothing: it is only memory."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _skeleton(columns: Sequence[Column], sheets: int) -> dict[str, bytes]:
    """Give the files of a workbook with headers only."""
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True}) as workbook:
        time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        bold = workbook.add_format({"bold": True})
        for _ in range(sheets):
            sheet = workbook.add_worksheet()
            sheet.freeze_panes(1, 0)
            for at, column in enumerate(columns):
                style = time if column.sort is Sort.TIME else None
                sheet.set_column(at, at, column.width, style)
            for at, column in enumerate(columns):
                sheet.write_string(0, at, column.name, bold)
    with zipfile.ZipFile(out) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}
