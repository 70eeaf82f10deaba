"""Reading records whose header names are not UTF-8: C clients write them, aiokafka stops at them.

Its parser raises on such a record, and again at each further poll: nobody would ever get past it.
Here a batch that it fails on is read again by aiokafka's own Python parser, with a buffer that
decodes leniently. There is no setting for it, so ``install`` replaces the class in the fetcher.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records


class _LenientBuffer(bytearray):
    """Bytes that can be decoded whatever they are."""

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - int or slice, int or bytes
        got = super().__getitem__(at)
        return _LenientBuffer(got) if isinstance(got, bytearray) else got

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _TolerantBatch:
    """One batch as aiokafka reads it; for the rest of one that it cannot read, a slower way."""

    def __init__(self, batch: Any, data: memoryview) -> None:  # noqa: ANN401 - aiokafka's
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            # From its beginning: the fetcher skips what it has had.
            yield from self._read_leniently()

    def _read_leniently(self) -> Iterator[Any]:
        batch = iter(default_records._DefaultRecordBatchPy(self._data))  # noqa: SLF001
        batch._buffer = _LenientBuffer(batch._buffer)  # noqa: SLF001
        yield from batch


class TolerantRecords(memory_records._MemoryRecordsPy):  # type: ignore[misc]  # noqa: SLF001
    """The batches of one fetched partition."""

    def next_batch(self, *_bounds: int) -> Any:  # noqa: ANN401
        """Give the next batch, None after the last."""
        data = self._next_slice
        batch = super().next_batch()
        is_current = isinstance(batch, default_records.DefaultRecordBatch)
        return _TolerantBatch(batch, data) if is_current else batch


def install() -> None:
    """Have every consumer of this process read tolerantly."""
    fetcher.MemoryRecords = TolerantRecords
