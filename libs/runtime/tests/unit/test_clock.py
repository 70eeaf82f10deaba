"""Backoff."""

import random

import pytest

from yizhan_runtime import SystemClock, backoff_s


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8), (6, 5.0), (10_000, 5.0)]
)
def test_a_pause_doubles_up_to_its_bound_with_its_upper_half_random(
    tries: int, longest: float
) -> None:
    random.seed(1)
    pauses = [backoff_s(tries) for _ in range(200)]
    assert longest / 2 <= min(pauses) < longest * 0.55
    assert longest * 0.95 < max(pauses) <= longest


def test_bounds_can_be_chosen() -> None:
    assert backoff_s(9, first=0.01, longest=0.02) <= 0.02


def test_the_wall_clock_is_aware_and_in_utc() -> None:
    assert str(SystemClock().now().tzinfo) == "UTC"
