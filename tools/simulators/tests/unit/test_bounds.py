"""Memory and disk: what is remembered of many messages, and what a restart still knows of them."""

from collections import Counter
from pathlib import Path
from typing import Any

from tools.simulators.tests.support import Bench, submission, submissions

from yizhan_simulators.carriers.records import CarrierBook
from yizhan_simulators.customers.pushes import ACKNOWLEDGED
from yizhan_simulators.customers.records import Arrival, CustomerBook
from yizhan_simulators.journal import FileJournal
from yizhan_simulators.repeats import Repeats
from yizhan_simulators.voice.records import ProviderBook

SMALL = 40_000


def test_oldest_keys_are_forgotten_and_still_counted() -> None:
    repeats: Repeats[int] = Repeats(kept=10)
    for number in range(35):
        repeats.add(f"k{number}", number)
    repeats.add("k34", 99)
    repeats.add("k0", 0)

    assert len(repeats) == 36  # a key that was forgotten counts as new
    assert repeats.of("k5") == []
    assert next(iter(repeats)) == "k20"
    assert repeats.of("k34") == [34, 99]
    assert repeats.last("k34") == 99
    assert repeats.twice() == ["k34"]


def test_items_that_came_again_go_with_their_key() -> None:
    repeats: Repeats[int] = Repeats(kept=2)
    for number in range(1_000):
        repeats.add(f"k{number}", number)
        repeats.add(f"k{number}", number)

    assert len(repeats._again) <= 4
    assert len(repeats.twice()) == 1_000


def test_journal_takes_no_more_room_than_it_may(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x", SMALL))
    for start in range(0, 3_000, 100):
        bench.carrier.take([submission(f"m{start + n}-1") for n in range(100)])
        bench.book.done(bench.owed[-50:], "sent")

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 10 * SMALL
    assert not (tmp_path / "x").exists()


def test_restart_goes_on_from_the_counts_of_what_is_deleted(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x", SMALL))
    for start in range(0, 3_000, 100):
        bench.carrier.take([submission(f"m{start + n}-1") for n in range(100)])
        bench.book.done(bench.owed[-60:], "sent")
    again = CarrierBook(FileJournal(tmp_path / "x", SMALL))
    owed = again.recover()
    summary = again.of("alpha").summary()

    assert {key for key, value in summary.items() if value != bench.summary[key]} == {
        "receipts_given_up",
        "receipts_pending",
    }
    assert summary["receipts_pending"] == len(owed) > 0
    assert owed[-1] == bench.owed[-61]


def test_next_file_that_a_kill_left_empty_is_no_beginning(tmp_path: Path) -> None:
    bench = Bench(journal=FileJournal(tmp_path / "x", SMALL))
    for start in range(0, 2_000, 100):
        bench.carrier.take([submission(f"m{start + n}-1") for n in range(100)])
    newest = max(tmp_path.iterdir(), key=lambda path: int(path.suffix[1:]))
    (tmp_path / f"x.{int(newest.suffix[1:]) + 1}").write_bytes(b'{"fact":"summ')
    again = CarrierBook(FileJournal(tmp_path / "x", SMALL))
    again.recover()

    assert again.of("alpha").handed == 2_000


def test_customers_and_providers_go_on_from_their_counts(tmp_path: Path) -> None:
    customers = CustomerBook(FileJournal(tmp_path / "c", SMALL))
    providers = ProviderBook(FileJournal(tmp_path / "p", SMALL))
    for number in range(2_000):
        arrival = Arrival(f"s{number}", "", "0", "", "", "1", 0.0, ACKNOWLEDGED)
        customers.keep("shop", [arrival], Counter(pushes=1))
        providers.keep("vox", 0.0, None, Counter(refused=1))
    again = CustomerBook(FileJournal(tmp_path / "c", SMALL))
    again.recover()
    rung = ProviderBook(FileJournal(tmp_path / "p", SMALL))
    rung.recover()
    summary: dict[str, Any] = again.of("shop").summary()

    assert summary == customers.of("shop").summary()
    assert summary["sms_ids_acknowledged"] == 2_000
    assert rung.of("vox").summary()["refused"] == 2_000


def test_a_record_that_forgets_refs_still_counts_them() -> None:
    bench = Bench(kept=100)
    for start in range(0, 1_000, 100):
        bench.carrier.take([submission(f"m{start + n}-1") for n in range(100)])
    bench.carrier.take(submissions(1))

    assert bench.summary["handed"] == bench.summary["refs"] == 1_001
    assert len(bench.book.of("alpha").detail()) <= 201
