"""DlqLimit: when poison is a bad deploy."""

import pytest

from yizhan_runtime.aside import DlqLimit
from yizhan_runtime.errors import Fatal


def test_a_few_bad_records_never_stop_a_consumer() -> None:
    limit = DlqLimit()
    limit.saw(49, 0)


def test_mostly_poison_stops_it() -> None:
    limit = DlqLimit()
    with pytest.raises(Fatal, match="50 of the last 50"):
        limit.saw(50, 0)


def test_many_bad_records_among_more_good_ones_do_not() -> None:
    limit = DlqLimit()
    for _ in range(100):
        limit.saw(50, 50)


def test_poison_one_by_one_counts_too() -> None:
    limit = DlqLimit()
    for _ in range(49):
        limit.saw(1, 0)
    with pytest.raises(Fatal):
        limit.saw(1, 0)


def test_what_is_long_past_is_forgotten() -> None:
    limit = DlqLimit(window=100, minimum=10)
    limit.saw(9, 0)
    limit.saw(0, 100)
    limit.saw(9, 0)
    limit.saw(0, 100)


def test_good_records_long_past_hide_nothing() -> None:
    limit = DlqLimit(window=100, minimum=50)
    for _ in range(50):
        limit.saw(0, 10)
    for _ in range(5):
        limit.saw(10, 0)
    with pytest.raises(Fatal):
        limit.saw(10, 0)
