"""aiokafka's consumer, polled patiently, and ended when it cannot be trusted any more."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    RecordTooLargeError,
    UnsupportedCodecError,
)

from yizhan_runtime import tolerant
from yizhan_runtime.errors import Fatal
from yizhan_runtime.explaining import explain

tolerant.install()

PATIENCE_MS = 1_000
"""FastStream polls for its batch timeout and then sleeps as long again: asked for 50 ms, an idle
consumer wakes twenty times a second and still adds 50 ms. Asked for one, this waits."""

TRIES = 3

Fetched = dict[TopicPartition, list["ConsumerRecord[Any, Any]"]]


class PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer whose ``getmany`` waits for records, and gives up on the process where it must.

    Once it has raised anything but Kafka's own passing errors, records of other partitions may have
    been taken off its buffer on the way and were handed to nobody: a commit behind them would lose
    them. And a coordinator that has ended raises the same error for ever (another process with the
    same instance id, for one), while the consumer still says that it has its partitions.
    """

    def __init__(self, *, fail: Callable[[BaseException], None], **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._report = fail
        self._errors_in_a_row = 0

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Wait for records. After an error that will not pass, reported, nothing is handed over."""
        try:
            fetched: Fetched = await super().getmany(
                *partitions, timeout_ms=max(timeout_ms, PATIENCE_MS), max_records=max_records
            )
        except (ConsumerStoppedError, asyncio.CancelledError):
            raise
        except Exception as error:
            self._errors_in_a_row += 1
            if not _may_pass(error) or self._errors_in_a_row >= TRIES:
                self._report(Fatal(f"the consumer of {self._group_id} is broken: {explain(error)}"))
                await asyncio.Event().wait()  # until the stop, which the report has begun
            raise
        self._errors_in_a_row = 0
        return fetched


def _may_pass(error: Exception) -> bool:
    return isinstance(error, KafkaError) and not isinstance(
        error, CorruptRecordException | RecordTooLargeError | UnsupportedCodecError
    )
