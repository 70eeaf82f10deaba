"""Weeks: every id lies in exactly one, and they follow each other without a gap."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.receipts.tests.unit.making import RECIPIENT

from receipts.ledger.weeks import Week, between, by_week
from yizhan_contracts import ids

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware by timezones


def id_at(at: datetime) -> str:
    return ids.new_message_id(RECIPIENT, int(at.timestamp() * 1000))


@given(TIMES)
def test_an_id_lies_in_the_week_of_its_time(at: datetime) -> None:
    week = Week.of_id(id_at(at))
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert week == Week.of_time(at)
    assert week.begins_at <= at < week.ends_at
    assert week.begins_at.weekday() == 0
    assert week.first_id <= id_at(at) < week.next.first_id


@given(TIMES)
def test_a_name_is_read_back(at: datetime) -> None:
    week = Week.of_time(at)
    assert Week.named(week.name) == week


@pytest.mark.parametrize("name", ["", "20261124", "2026112", "queue", "20261332"])
def test_what_names_no_week_is_none(name: str) -> None:
    assert Week.named(name) is None


@given(st.lists(TIMES, max_size=20))
def test_ids_are_sorted_into_their_weeks_and_none_is_lost(times: list[datetime]) -> None:
    named = [id_at(at) for at in times]
    sorted_in = by_week(named, str)
    assert sorted(i for its in sorted_in.values() for i in its) == sorted(named)
    assert all(Week.of_id(i) == week for week, its in sorted_in.items() for i in its)


def test_between_gives_both_ends() -> None:
    first = Week.of_time(datetime(2026, 11, 29, tzinfo=UTC))
    last = Week.of_time(first.begins_at + timedelta(days=14))
    assert list(between(first, last)) == [first, first.next, last]
    assert list(between(last, first)) == []
