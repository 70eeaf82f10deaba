"""Slices of time: counted ever more rarely, and never again once closed."""

from yizhan_runtime.slices import Slices

BEGIN = 1_800_000_000 // 300 * 300


def counts(slices: Slices, begin: int, hours: int) -> int:
    """Count how often a slice falls due in some hours, looked at once a minute."""
    found = 0
    for minute in range(hours * 60):
        now_s = float(BEGIN + 60 * minute)
        if begin in list(slices.due(now_s)):
            slices.count(begin, now_s)
            found += 1
    return found


def test_slice_is_counted_each_time_when_it_is_twice_as_old() -> None:
    slices = Slices(300, 7 * 86_400.0, 60.0)
    assert counts(slices, BEGIN, 1) < 13
    assert counts(Slices(300, 7 * 86_400.0, 60.0), BEGIN, 48) < 20


def test_closed_slice_is_due_no_more() -> None:
    slices = Slices(300, 86_400.0, 60.0)
    slices.close(BEGIN)
    assert BEGIN not in list(slices.due(BEGIN + 3600.0))
    assert BEGIN + 300 in list(slices.due(BEGIN + 3600.0))


def test_slices_reach_back_so_far_and_the_newest_come_first() -> None:
    due = list(Slices(300, 3600.0, 60.0).due(BEGIN + 10.0))
    assert due == sorted(due, reverse=True)
    assert due[0] == BEGIN
    assert due[-1] == Slices(300, 3600.0, 60.0).first(BEGIN + 10.0) == BEGIN - 3600
