"""The balance over real HTTP: summed over slices, every leak named, doubts told from leaks."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tools.cli.tests.unit.stub import Ingest, serving

from yizhan_cli.balance import ask_balance, slices_of
from yizhan_cli.client import service_edge

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
IDS = [f"{number:032x}" for number in range(3)]


def told(**changes: Any) -> dict[str, Any]:
    """What receipts answers of a slice, and of any message that it is asked for."""
    return {
        "holds": True,
        "lanes": [
            {
                "country": "CN",
                "lane": "bulk",
                "accepted": 5,
                "settled": {"delivered": 4},
                "in_flight": 1,
            }
        ],
        "channels": [{"channel": "a", "finished": {"submitted": 5}, "awaiting_receipt": 1}],
        "leaks": {"unsettled": []},
        "timeline": [{"what": "in-doubt", "n": 1}],
    } | changes


def claimed(without: list[str]) -> dict[str, Any]:
    count = {"channel": "a", "claimed": 5, "under_way": 0}
    return {"channels": [count], "without_outcome": without}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Ingest, Ingest]]:
    monkeypatch.setenv("YIZHAN_CONFIG", str(tmp_path / "none"))
    with ExitStack() as stack:
        receipts, adapter = stack.enter_context(serving()), stack.enter_context(serving())
        receipts.answer, adapter.answer = told(), claimed([])
        yield receipts, adapter


def ask(services: tuple[Ingest, Ingest], slices: int = 1) -> Any:
    receipts, adapter = services
    hours = [(NOON + timedelta(hours=i), NOON + timedelta(hours=i + 1)) for i in range(slices)]
    return ask_balance(
        service_edge("receipts", receipts.url, "t"),
        service_edge("carrier-adapter", adapter.url, "t"),
        hours,
        5.0,
    )


def test_slices_are_summed(services: tuple[Ingest, Ingest]) -> None:
    balance = ask(services, slices=3)
    assert balance.lanes == {
        ("CN", "bulk"): {"accepted": 15, "delivered": 12, "in flight": 3},
    }
    assert balance.channels["a"] == {
        "submitted": 15,
        "awaiting receipt": 3,
        "claimed": 15,
        "under way": 0,
    }
    assert balance.holds
    assert "since=2026-11-29T14:00:00%2B00:00" in services[0].asked[-1]["what"]


def test_every_leak_is_named(services: tuple[Ingest, Ingest]) -> None:
    services[0].answer = told(holds=False, leaks={"unsettled": IDS})
    balance = ask(services)
    assert not balance.holds
    assert balance.leaks["unsettled"] == IDS


def test_counts_that_do_not_match_are_no_balance_though_no_id_is_named(
    services: tuple[Ingest, Ingest],
) -> None:
    services[0].answer = told(holds=False)
    assert not ask(services).holds


def test_claim_without_outcome_is_in_doubt_where_the_ledger_says_so_and_else_a_leak(
    services: tuple[Ingest, Ingest],
) -> None:
    services[1].answer = claimed([f"{IDS[0]}-1", f"{IDS[1]}-2"])
    balance = ask(services)
    assert balance.in_doubt == [f"{IDS[0]}-1"]
    assert balance.leaks["claim-without-end"] == [f"{IDS[1]}-2"]
    assert not balance.holds


def test_time_is_cut_into_slices_without_a_gap() -> None:
    found = list(slices_of(NOON, NOON + timedelta(minutes=25), timedelta(minutes=10)))
    assert [begin for begin, _ in found[1:]] == [end for _, end in found[:-1]]
    assert found[-1] == (NOON + timedelta(minutes=20), NOON + timedelta(minutes=25))
