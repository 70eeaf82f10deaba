"""The patient consumer: which errors pass, and what happens after one that does not."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, KafkaError

from yizhan_runtime.errors import Fatal
from yizhan_runtime.polling import PatientConsumer


class Polls:
    """What aiokafka's own getmany does, call by call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.timeouts: list[int] = []
        polls = self

        async def getmany(_self: Any, *_tps: Any, timeout_ms: int, max_records: int | None) -> Any:
            polls.timeouts.append(timeout_ms)
            outcome = polls.outcomes.pop(0)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
        self.failures: list[BaseException] = []
        self.consumer = PatientConsumer(fail=self.failures.append, group_id="g")
        self.consumer._closed = True  # never started: nothing to close


async def test_it_waits_longer_than_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch, {}, {})
    await polls.consumer.getmany(timeout_ms=1)
    await polls.consumer.getmany(timeout_ms=5000)
    assert polls.timeouts == [1000, 5000]


async def test_kafkas_passing_errors_are_left_to_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch, KafkaConnectionError(), KafkaConnectionError(), {}, KafkaError())
    for outcome in list(polls.outcomes):
        if isinstance(outcome, BaseException):
            with pytest.raises(KafkaError):
                await polls.consumer.getmany()
        else:
            await polls.consumer.getmany()
    assert polls.failures == []


@pytest.mark.parametrize(
    "errors",
    [
        [KafkaError("fenced")] * 3,
        [CorruptRecordException()],
        [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a header's name")],
    ],
)
async def test_after_an_error_that_will_not_pass_nothing_is_handed_over(
    monkeypatch: pytest.MonkeyPatch, errors: list[Exception]
) -> None:
    polls = Polls(monkeypatch, *errors, {"records of other partitions": []})
    for _ in errors[:-1]:
        with pytest.raises(KafkaError):
            await polls.consumer.getmany()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(polls.consumer.getmany(), 0.05)
    assert [type(one) for one in polls.failures] == [Fatal]
    assert "the consumer of g is broken" in str(polls.failures[0])
    assert len(polls.outcomes) == 1
