"""What ends a process, with which code, and what happens to its tasks."""

import asyncio

import pytest
from libs.runtime.tests.support import FakeClock, until

from yizhan_runtime.bounded import bounded
from yizhan_runtime.errors import Fatal, Misconfigured, Retryable
from yizhan_runtime.lifecycle import Life


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("x"), 78),
        (Retryable("x"), 75),
        (Fatal("x"), 70),
        (KeyError("x"), 70),
    ],
)
def test_the_exit_code_says_why(error: Exception, code: int) -> None:
    life = Life(FakeClock())
    assert life.exit_code() == 0
    life.fail(error)
    life.fail(RuntimeError("a consequence"))
    assert (life.exit_code(), life.failure) == (code, error)


async def test_a_signal_during_the_start_cancels_it_and_waits_for_that() -> None:
    life, said = Life(FakeClock()), []

    async def start() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            said.append("cleaned up")

    starting = asyncio.create_task(life.unless_ended(start()))
    await asyncio.sleep(0.01)
    life.end()
    await asyncio.wait_for(starting, 1)
    assert (said, life.exit_code()) == (["cleaned up"], 0)


async def test_a_start_that_fails_says_so() -> None:
    async def start() -> None:
        raise Misconfigured("topics")

    with pytest.raises(Misconfigured):
        await Life(FakeClock()).unless_ended(start())


@pytest.mark.parametrize("how", ["returns", "raises", "is cancelled from within"])
async def test_a_background_task_that_ends_ends_the_process(how: str) -> None:
    life = Life(FakeClock())

    async def work() -> None:
        if how == "raises":
            raise KeyError("bug")
        if how != "returns":
            raise asyncio.CancelledError

    life.spawn("task", work)
    await asyncio.wait_for(life.until_end(), 1)
    assert life.failure is not None


async def test_a_background_task_that_is_stopped_does_not() -> None:
    life = Life(FakeClock())
    life.spawn("task", asyncio.Event().wait)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await life.cancel_all()
    assert life.failure is None


async def test_a_background_task_that_will_not_stop_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("yizhan_runtime.lifecycle.CANCEL_TIMEOUT_S", 0.05)
    life, release = Life(FakeClock()), asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    life.spawn("task", stubborn)
    await asyncio.sleep(0)
    await asyncio.wait_for(life.cancel_all(), 1)
    release.set()
    await until(lambda: life.failure is not None)


async def test_a_step_of_the_start_is_tried_while_what_it_needs_is_away() -> None:
    clock = FakeClock()
    life, tries = Life(clock), 0

    async def step() -> None:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise Retryable("away")

    await life.patiently(step, 60)
    assert tries == 5


async def test_but_not_for_ever() -> None:
    clock = FakeClock()

    async def step() -> None:
        raise Retryable("away")

    with pytest.raises(Retryable):
        await Life(clock).patiently(step, 60)
    assert 60 <= clock.passed < 70


async def test_a_bounded_step_logs_what_it_raises_and_leaked_cancellations() -> None:
    async def raises(error: BaseException) -> None:
        raise error

    await bounded("a", raises(KeyError()), 1)
    await bounded("b", raises(asyncio.CancelledError()), 1)
    await bounded("c", asyncio.sleep(60), 0.01)


async def test_a_bounded_step_can_be_cancelled_for_real() -> None:
    task = asyncio.create_task(bounded("a", asyncio.sleep(60), 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
