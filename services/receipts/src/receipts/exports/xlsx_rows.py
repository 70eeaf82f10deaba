"""Rows as the rows of an XLSX sheet (ECMA-376, part 1, 18.3): texts inline, times as numbers.

What is around them, and its styles, is XlsxWriter's (``workbook``). XlsxWriter itself writes a
workbook from its first to its last row in one go: what was stored of it could not be carried on.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from receipts.exports.columns import Cell, Row

TIME_STYLE: Final = 1
"""The first style that the skeleton uses beside the default; a test holds it."""
_DAY_S: Final = 86_400
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel's day 0, of whatever zone
_SPECIAL: Final = re.compile("[&<>\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]|_x[0-9A-Fa-f]{4}_")
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNTRANSLATABLE: Final = re.compile("[\ufffe\uffff\ud800-\udfff]")
_NEITHER: Final = "\ufffd"


def xlsx_rows(rows: Sequence[Row]) -> bytes:
    """Give rows as XML, to be put between ``<sheetData>`` and its end."""
    return "".join([f"<row>{''.join(map(_cell, row))}</row>" for row in rows]).encode()


def _cell(cell: Cell) -> str:
    if not cell and cell != 0:
        return "<c/>"
    if isinstance(cell, str):
        text = _SPECIAL.sub(_escaped, cell) if _SPECIAL.search(cell) else cell
        return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if isinstance(cell, datetime):
        days = (cell.replace(tzinfo=None) - _EPOCH).total_seconds() / _DAY_S
        return f'<c s="{TIME_STYLE}"><v>{days:.9f}</v></c>'
    return f"<c><v>{cell}</v></c>"


def _escaped(found: re.Match[str]) -> str:
    """Write what XML forbids as Excel does, ``_x000B_``, and what looks like it too (22.9.2.19)."""
    text = found.group()
    if _UNTRANSLATABLE.match(text):
        return _NEITHER
    return _NAMED.get(text) or (f"_x005F{text}" if len(text) > 1 else f"_x{ord(text):04X}_")
