"""Batches with header names that are not UTF-8."""

from typing import Any

import pytest
from libs.runtime.tests.support import with_raw_header_name

from yizhan_runtime.tolerant import TolerantRecords


def read(data: bytes) -> list[Any]:
    """Read as aiokafka's fetcher does: in order, leaving out what it has had."""
    records, found, next_offset = TolerantRecords(data), [], 0
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        assert not batch.is_control_batch
        for record in batch:
            if record.offset >= next_offset:
                found.append(record)
                next_offset = record.offset + 1
        next_offset = batch.next_offset
    return found


@pytest.mark.parametrize("compression", [0, 1, 4])
def test_a_header_name_that_is_not_utf8_stops_nothing(compression: int) -> None:
    found = read(with_raw_header_name(compression))
    assert [(one.offset, one.key, one.value) for one in found] == [
        (0, b"k", b"v0"),
        (1, b"k", b"v1"),
        (2, b"k", None),
    ]
    assert found[1].headers == [("\\xff\\xfe\\xff\\xfe", b"x"), ("null", None)]
    assert found[2].headers == []


def test_batches_that_aiokafka_can_read_are_read_by_it() -> None:
    found = read(with_raw_header_name(0, name=b"fine"))
    assert found[1].headers == [("fine", b"x"), ("null", None)]
    assert "crecords" in type(found[1]).__module__


def test_after_the_last_batch_there_is_none() -> None:
    assert TolerantRecords(b"").next_batch() is None
