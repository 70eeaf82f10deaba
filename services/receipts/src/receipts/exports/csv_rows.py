"""Rows as CSV (RFC 4180): UTF-8 with a byte order mark, as Excel reads it, and safe to open.

A cell that a spreadsheet would take for a formula begins with an apostrophe: so do all phone
numbers, which it would otherwise show as 8.61E+12.
"""

import csv
import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from receipts.exports.columns import Cell, Column, Row

BOM: Final = b"\xef\xbb\xbf"
_FORMULA: Final = re.compile(r"[=+\-@\t\r]")
"""What a formula begins with (OWASP, CSV injection)."""


def csv_header(columns: Sequence[Column]) -> bytes:
    """Give what a file begins with."""
    return BOM + _written([[column.name for column in columns]])


def csv_rows(rows: Sequence[Row]) -> bytes:
    """Give rows as lines."""
    return _written([[_cell(cell) for cell in row] for row in rows])


def _written(rows: Sequence[Sequence[str | int | None]]) -> bytes:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode("utf-8", "replace")


def _cell(cell: Cell) -> str | int | None:
    if isinstance(cell, str):
        return f"'{cell}" if cell and _FORMULA.match(cell) else cell
    return cell.isoformat(" ", "milliseconds") if isinstance(cell, datetime) else cell
