import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.simulators.tests.support import Bench, submission, submissions

from yizhan_simulators.carriers.handed import Receipt, encode_receipts
from yizhan_simulators.carriers.record import across
from yizhan_simulators.carriers.records import CarrierBook
from yizhan_simulators.journal import FileJournal


def key(receipt: Receipt) -> tuple[str, int]:
    return receipt.carrier_message_id, receipt.number


def test_restart_finds_counts_and_owed_receipts_again(tmp_path: Path) -> None:
    bench = Bench({"refuse_numbers": {"+33": "9"}}, journal=FileJournal(tmp_path / "x"))
    bench.carrier.take([*submissions(4), submission("f-1", "+33612345678")])
    bench.carrier.take([submission("m0-1")])
    bench.book.done(bench.owed[:2], "sent")
    bench.book.done(bench.owed[2:3], "given_up")
    again = CarrierBook(FileJournal(tmp_path / "x"))
    owed = again.recover()

    assert again.of("alpha").summary() == bench.summary
    assert bench.summary["refs_twice"] == ["m0-1"]
    assert bench.summary["receipts_pending"] == 2
    assert [key(receipt) for receipt in owed] == [key(receipt) for receipt in bench.owed[3:]]
    assert owed == bench.owed[3:]
    assert again.of("alpha").detail() == bench.book.of("alpha").detail()


def test_line_cut_by_a_kill_is_dropped(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x"))
    bench.carrier.take(submissions(1))
    with (tmp_path / "x").open("ab") as file:
        file.write(b'{"fact":"submit","carrier":"al')
    journal = FileJournal(tmp_path / "x")
    again = CarrierBook(journal)
    again.recover()
    journal.append({"fact": "cleared", "carrier": "beta"})

    assert again.of("alpha").handed == 1
    assert len(list(journal.replay())) == 2


def test_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"{}\nnot json\n")

    with pytest.raises(OSError, match="line 2 is not JSON: move the file away"):
        list(FileJournal(tmp_path / "x").replay())


def test_clearing_forgets_owed_receipts_too(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x"))
    bench.carrier.take(submissions(2))
    old = list(bench.owed)
    bench.book.clear("alpha")
    bench.carrier.take([submission("new-1")])

    assert [bench.book.is_owed(receipt) for receipt in bench.owed] == [False, False, True]
    bench.book.done(old, "sent")
    assert bench.summary["receipts_sent"] == 0
    again = CarrierBook(FileJournal(tmp_path / "x"))
    assert [receipt.ref for receipt in again.recover()] == ["new-1"]
    assert again.of("alpha").summary() == bench.summary


@contextlib.contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_nothing_counts_that_could_not_be_written_whole(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x"))
    bench.carrier.take([submission("m-1")])
    size = (tmp_path / "x").stat().st_size

    with files_no_longer_than(size + 50), pytest.raises(OSError, match="no room"):
        bench.carrier.take([submission("n-1")])
    assert bench.summary["handed"] == len(bench.owed) == 1
    assert (tmp_path / "x").stat().st_size == size

    bench.carrier.take([submission("o-1")])
    again = CarrierBook(FileJournal(tmp_path / "x"))
    again.recover()
    assert list(again.of("alpha").by_ref) == ["m-1", "o-1"]


def test_receipt_body_follows_the_protocol() -> None:
    bench = Bench({"receipt": {"delay_ms": 0}})
    bench.carrier.take([submission("m-1")])
    bench.carrier.revise({"receipt": {"echo_ref": False}})
    bench.carrier.take([submission("n-1")])
    one, two = (receipt.carrier_message_id for receipt in bench.owed)

    assert encode_receipts(bench.owed).decode() == (
        '{"receipts":['
        f'{{"id":"{one}","to":"+8613800138000","state":"delivered","code":"000",'
        '"at":"2027-01-15T08:00:00.000Z","ref":"m-1"},'
        f'{{"id":"{two}","to":"+8613800138000","state":"delivered","code":"000",'
        '"at":"2027-01-15T08:00:00.000Z"}]}'
    )


def test_messages_on_several_carriers_show_across_them() -> None:
    book = Bench({"receipt": {"numbers": {"+33": "failed"}}})
    beta = Bench()
    book.carrier.take([submission("a-1", "+33612345678"), submission("b-1"), submission("c-1")])
    beta.carrier.take([submission("a-2", "+33612345678"), submission("b-2")])
    beta.book.of("alpha").name = "beta"
    total = across([book.book.of("alpha"), beta.book.of("alpha")])

    assert total["handed"] == 5
    assert total["messages"] == 3
    assert total["refs_twice"] == []
    assert total["messages_twice"] == ["a", "b"]
    assert total["messages_on_several_carriers"] == {
        "a": ["alpha", "beta"],
        "b": ["alpha", "beta"],
    }
    assert total["messages_delivered_twice"] == ["b"]
