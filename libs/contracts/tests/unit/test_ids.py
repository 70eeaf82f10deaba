"""Ids sort by time, carry their shard, and put every producer's record in the same place."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_contracts import ids

NUMBER = "+447700900123"
numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
moments_ms = st.integers(min_value=0, max_value=(1 << 48) - 1)
random_bits = st.integers(min_value=0, max_value=(1 << 64) - 1)
shards = st.integers(min_value=0, max_value=0xFFFF)


@given(numbers, moments_ms, random_bits)
def test_a_message_id_gives_back_its_time_and_shard(number: str, at_ms: int, bits: int) -> None:
    message_id = ids.new_message_id(number, at_ms, lambda _: bits)
    assert ids.is_message_id(message_id)
    assert ids.created_ms_of(message_id) == at_ms
    assert ids.shard_of(message_id) == ids.shard_of_recipient(number)


@given(st.lists(st.tuples(numbers, moments_ms, random_bits), min_size=2, max_size=20))
def test_message_ids_sort_by_time(drawn: list[tuple[str, int, int]]) -> None:
    def fixed(bits: int) -> ids.RandomBits:
        return lambda _: bits

    by_id = sorted((ids.new_message_id(n, at, fixed(bits)), at) for n, at, bits in drawn)
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(by_id))


@given(numbers, moments_ms, random_bits)
def test_an_id_lies_in_the_range_of_its_millisecond(number: str, at_ms: int, bits: int) -> None:
    message_id = ids.new_message_id(number, at_ms, lambda _: bits)
    assert ids.first_message_id(at_ms) <= message_id
    if at_ms < (1 << 48) - 1:
        assert message_id < ids.first_message_id(at_ms + 1)


def test_two_ids_of_one_recipient_and_millisecond_differ() -> None:
    drawn = {ids.new_message_id(NUMBER, 1_700_000_000_000) for _ in range(1000)}
    assert len(drawn) == 1000
    assert len({ids.shard_of(message_id) for message_id in drawn}) == 1


def test_the_shard_of_a_number_never_changes() -> None:
    # Stored ids and records in topics were placed by it: another hash needs new topics.
    assert ids.shard_of_recipient("+447700900123") == 0xDE0C
    assert ids.shard_of_recipient("+8613800000017") == 0xCAF5
    assert ids.partition_of_key("LX204417733FR", 6) == 3


@given(shards, st.integers(min_value=1, max_value=64))
def test_a_shard_has_one_partition(shard: int, partitions: int) -> None:
    assert 0 <= ids.partition_of(shard, partitions) < partitions


@given(st.text(), st.integers(min_value=1, max_value=64))
def test_any_key_has_a_partition(key: str, partitions: int) -> None:
    placed = ids.partition_of_key(key, partitions)
    assert 0 <= placed < partitions
    assert placed == ids.partition_of_key(key, partitions)


def test_numbers_spread_over_the_partitions() -> None:
    counts = [0] * 6
    for n in range(6000):
        counts[ids.partition_of(ids.shard_of_recipient(f"+4477009{n:05d}"), 6)] += 1
    assert min(counts) > 800


@given(shards)
def test_the_key_of_a_shard_is_four_hexadecimal_characters(shard: int) -> None:
    key = ids.key_of_shard(shard)
    assert len(key) == 4
    assert int(key, 16) == shard


@given(numbers, moments_ms, st.integers(min_value=1, max_value=99))
def test_an_attempt_id_gives_back_its_parts(number: str, at_ms: int, n: int) -> None:
    message_id = ids.new_message_id(number, at_ms)
    attempt = ids.parse_attempt_id(ids.attempt_id(message_id, n))
    assert attempt == ids.Attempt(message_id, n)
    assert ids.shard_of(ids.attempt_id(message_id, n)) == ids.shard_of(message_id)


@pytest.mark.parametrize(
    "text",
    ["", "a" * 32, "a" * 32 + "-0", "a" * 32 + "-100", "A" * 32 + "-1", "a" * 32 + "-1\n", "x-1"],
)
def test_what_is_no_attempt_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="attempt id"):
        ids.parse_attempt_id(text)


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 32 + "\n"])
def test_what_is_no_message_id_is_told_apart(text: str) -> None:
    assert not ids.is_message_id(text)
