"""Exports: what a row looks like, safe to open, and every row once whatever dies."""

import csv
import io
import itertools
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from prometheus_client import CollectorRegistry
from services.receipts.tests.unit.exporting import QUERY, MemoryExports, MemoryRows, told_of
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.world import Died, Steps, TurnedClock

from receipts.exports.columns import columns_of, row_maker
from receipts.exports.csv_rows import BOM, csv_header, csv_rows
from receipts.exports.domain import Format, PartSize, Shown, State, sheets_of
from receipts.exports.runner import ExportRunner, ExportTerms
from receipts.exports.service import Exports
from receipts.exports.workbook import Zipped
from receipts.exports.xlsx_rows import xlsx_rows
from receipts.metrics import Metrics
from yizhan_runtime import Permanent

METRICS = Metrics(CollectorRegistry())
TERMS = ExportTerms(page=3, part_rows=5, lease_s=30.0)
NASTY = ["=1+1", "+49", "-1", "@x", "\t1", "\r1", 'a,"b"\nc', "你好😀", "a\x0bb_x0041_", " <&> "]


class Corner:
    """Exports over memory; ``restart`` gives the runner a new process."""

    def __init__(self, messages: int) -> None:
        self.steps = Steps()
        self.clock = TurnedClock()
        self.rows = MemoryRows(messages, self.steps)
        self.store = MemoryExports(self.steps)
        self.exports = Exports(self.store, self.rows, self.clock, timedelta(days=7))

    def runner(self) -> ExportRunner:
        return ExportRunner(self.store, self.rows, self.clock, METRICS, "receipts-1", TERMS)

    async def begin(self, shown: Shown, key: str = "k", *, key_stays: bool = False) -> str:
        begun = await self.exports.begin(QUERY, shown, key, key_stays=key_stays)
        return begun.export_id

    async def run(self) -> None:
        runner = self.runner()
        while await runner.turn():
            pass

    async def file(self, export_id: str) -> bytes:
        export = await self.exports.load(export_id)
        assert export is not None
        return b"".join([piece async for piece in self.exports.file(export)])


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(BOM)
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_xlsx(content: bytes) -> list[list[list[Any]]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return [[list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]


def test_a_row_of_csv_says_all_and_masks_the_number() -> None:
    shown = Shown(format=Format.CSV)
    content = csv_header(columns_of(shown)) + csv_rows([row_maker(shown)(told_of(1))])
    header, row = read_csv(content)
    told = dict(zip(header, row, strict=True))
    assert told["message_id"] == message_id_of(1)
    assert told["phone"].startswith("'+86")
    assert "0000" not in told["phone"]
    assert told["reason"] == "number-vacant"
    assert told["reason_text"].startswith("The number is not")
    assert (
        told["accepted_at"] == NOON.astimezone().isoformat(" ", "milliseconds")
        or "+08:00" in (told["accepted_at"])
    )
    assert told["charging_num"] == "2"
    assert "text" not in told


def test_an_erased_number_and_text_are_said_to_be() -> None:
    shown = Shown(format=Format.CSV, personal=True, text=True, zone="UTC")
    row = row_maker(shown)(told_of(2, recipient=""))
    assert row[2] == "erased"
    assert row[-1] == "erased"
    assert row[4] == "open"


@pytest.mark.parametrize("text", NASTY)
def test_no_cell_of_csv_begins_a_formula_and_none_is_lost(text: str) -> None:
    shown = Shown(format=Format.CSV, personal=True, text=True)
    content = csv_header(columns_of(shown)) + csv_rows([row_maker(shown)(told_of(1, text=text))])
    cell = read_csv(content)[1][-1]
    assert cell[0] not in "=+-@\t\r"
    assert cell.removeprefix("'") == text


async def test_a_workbook_is_read_by_others_with_texts_times_and_numbers() -> None:
    corner = Corner(0)
    corner.rows.all = [told_of(n, text=text) for n, text in enumerate(NASTY)]
    shown = Shown(format=Format.XLSX, personal=True, text=True, zone="Asia/Shanghai")
    export_id = await corner.begin(shown)
    await corner.run()
    ((header, *rows),) = read_xlsx(await corner.file(export_id))
    assert [column.name for column in columns_of(shown)] == header
    told = [dict(zip(header, row, strict=True)) for row in rows]
    texts = [one["text"].replace("_x000B_", "\x0b").replace("_x005F", "") for one in told]
    assert [text.replace("_x000D_", "\r") for text in texts] == NASTY
    assert told[1]["phone"] == "+8613800001111"
    assert told[1]["charging_num"] == 2
    local = NOON.replace(tzinfo=None) + timedelta(hours=8)
    assert abs(told[1]["accepted_at"] - local) < timedelta(milliseconds=1)
    assert told[0]["settled_at"] is None


@pytest.mark.parametrize("file_format", Format)
async def test_every_row_is_there_once_whatever_step_the_instance_dies_before(
    file_format: Format,
) -> None:
    for dies_before in itertools.count(1):
        corner = Corner(23)
        export_id = await corner.begin(Shown(format=file_format, personal=True))
        corner.steps.taken, corner.steps.dies_before = 0, dies_before
        try:
            await corner.run()
        except Died:
            corner.steps.dies_before = None
            corner.clock.turn(31)
            await corner.run()
        else:
            assert dies_before > 15
            return
        content = await corner.file(export_id)
        rows = read_csv(content) if file_format is Format.CSV else read_xlsx(content)[0]
        assert [row[0] for row in rows[1:]] == [message_id_of(n) for n in range(23)]
        export = await corner.exports.load(export_id)
        assert export is not None
        assert (export.rows, export.state) == (23, State.DONE)


async def test_an_export_that_is_with_another_instance_is_left_to_it_until_its_lease_ends() -> None:
    corner = Corner(3)
    await corner.begin(Shown(format=Format.CSV))
    await corner.store.claim("other", corner.clock.now(), corner.clock.now() + timedelta(seconds=9))
    assert not await corner.runner().turn()
    corner.clock.turn(10)
    assert await corner.runner().turn()


async def test_a_repeat_is_the_same_export_and_a_new_one_once_that_is_done() -> None:
    corner = Corner(3)
    shown = Shown(format=Format.CSV)
    first = await corner.begin(shown)
    assert await corner.begin(shown) == first
    await corner.run()
    assert await corner.begin(shown) != first


async def test_a_key_of_the_askers_stays_with_its_export() -> None:
    corner = Corner(3)
    shown = Shown(format=Format.CSV)
    first = await corner.begin(shown, key_stays=True)
    await corner.run()
    assert await corner.begin(shown, key_stays=True) == first
    await corner.exports.cancel(first)
    assert await corner.begin(shown, key_stays=True) != first


async def test_a_part_that_is_stored_after_a_cancellation_does_not_stay() -> None:
    corner = Corner(23)
    export_id = await corner.begin(Shown(format=Format.CSV))
    runner = corner.runner()
    await runner.turn()
    await corner.exports.cancel(export_id)
    assert not corner.store.parts
    running = corner.store.exports[export_id]._replace(state=State.RUNNING)
    await runner._go_on(running)
    assert not corner.store.parts
    assert not await runner.turn()


async def test_an_export_that_never_gets_on_fails_with_words() -> None:
    corner = Corner(3)
    export_id = await corner.begin(Shown(format=Format.CSV))
    export = corner.store.exports[export_id]
    corner.store.exports[export_id] = export._replace(tries=10)
    await corner.run()
    failed = await corner.exports.load(export_id)
    assert failed is not None
    assert failed.state is State.FAILED
    assert failed.error


async def test_an_export_that_cannot_be_written_fails_alone() -> None:
    corner = Corner(3)
    export_id = await corner.begin(Shown(format=Format.CSV))
    broken = corner.rows.all[1].message
    corner.rows.all[1] = told_of(1)._replace(message={"_id": broken["_id"]})
    await corner.run()
    failed = await corner.exports.load(export_id)
    assert failed is not None
    assert failed.state is State.FAILED
    assert "cannot be written" in failed.error


def test_a_workbook_has_as_many_sheets_as_it_needs() -> None:
    columns = columns_of(Shown(format=Format.XLSX))
    zipped = Zipped(columns, 2)
    content = zipped.begin()
    for number in (1, 2):
        content += zipped.open_sheet(number)
        content += zipped.add(xlsx_rows([row_maker(Shown(format=Format.XLSX))(told_of(number))]))
        content += zipped.close_sheet()
    sheets = read_xlsx(content + zipped.end())
    assert [[row[0] for row in sheet] for sheet in sheets] == [
        ["message_id", message_id_of(1)],
        ["message_id", message_id_of(2)],
    ]


async def test_a_file_with_a_part_gone_breaks_off_instead_of_being_short() -> None:
    corner = Corner(23)
    export_id = await corner.begin(Shown(format=Format.CSV))
    await corner.run()
    await corner.store.remove_part(export_id, 2)
    with pytest.raises(Permanent, match="is gone"):
        await corner.file(export_id)


def test_sheets_take_no_more_rows_nor_bytes_than_they_may() -> None:
    parts = [PartSize(n, rows=400, raw_size=10) for n in range(1, 8)]
    assert [len(sheet) for sheet in sheets_of(parts, 1000, 1000)] == [2, 2, 2, 1]
    assert [len(sheet) for sheet in sheets_of(parts, 10_000, 35)] == [3, 3, 1]
    assert sheets_of([], 10, 10) == [[]]
