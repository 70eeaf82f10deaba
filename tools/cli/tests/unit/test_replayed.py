"""What is remembered of a replay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_cli.replayed import MAX_METADATA, Replayed

offsets = st.integers(min_value=0, max_value=300)


@given(st.lists(st.frozensets(offsets, max_size=40), max_size=5), st.integers(0, 50))
def test_what_was_replayed_is_known_after_reading_the_commit(
    rounds: list[frozenset[int]], first: int
) -> None:
    replayed = Replayed()
    for some in rounds:
        replayed = replayed.adding(some, first)
        replayed = Replayed.parse(replayed.below, replayed.metadata())
    done = set().union(*rounds) | (set(range(first)) if rounds else set())
    assert {offset for offset in range(301) if offset in replayed} == done


def test_a_gap_that_closes_moves_the_offset() -> None:
    replayed = Replayed(5).adding([7, 8, 10])
    assert (replayed.below, replayed.metadata()) == (5, "7-8,10")
    replayed = replayed.adding([5, 6])
    assert (replayed.below, replayed.metadata()) == (9, "10")


def test_what_retention_removed_is_not_waited_for() -> None:
    assert Replayed().adding([100, 101], first=100) == Replayed(102)


def test_what_does_not_fit_is_forgotten_and_the_rest_is_kept() -> None:
    replayed = Replayed().adding(range(1, 100_000, 2))
    metadata = replayed.metadata()
    assert len(metadata) <= MAX_METADATA
    assert Replayed.parse(0, metadata).above < replayed.above


@pytest.mark.parametrize(("offset", "metadata"), [(-1, ""), (-1, None), (0, "somebody else's")])
def test_a_commit_that_is_not_ours_remembers_nothing(offset: int, metadata: str | None) -> None:
    assert Replayed.parse(offset, metadata) == Replayed()
