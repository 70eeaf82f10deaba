"""How far a group has read, as Kafka says it to somebody who is no member."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from libs.runtime.tests.corner import Corner

from yizhan_contracts import topics
from yizhan_contracts.events import VoiceFinished
from yizhan_contracts.topics import partitions_of
from yizhan_runtime import BatchRoute, Parked, Record, Retryable, Service, SystemClock, contract
from yizhan_runtime.progress import GroupProgress, Progress

pytestmark = pytest.mark.integration

TOPIC = topics.VOICE_FINISHED.name
GROUPS = {"readers": [TOPIC]}
COUNT = 20


def unread(progress: Progress) -> int:
    return sum(end - progress.committed[place] for place, end in progress.ends.items())


async def ask(progress: GroupProgress) -> Progress:
    """Ask until it is answered: topics that were only just made take a while."""
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    while True:
        try:
            return await progress.ask()
        except Retryable:
            assert clock.monotonic() < deadline, "not answered in time"


@asynccontextmanager
async def asking(corner: Corner, **changes: str) -> AsyncIterator[GroupProgress]:
    progress = GroupProgress(corner.settings().model_copy(update=changes), GROUPS)
    try:
        yield progress
    finally:
        await progress.close()


async def test_what_nobody_has_read_is_unread_and_what_is_committed_is_not(corner: Corner) -> None:
    async with asking(corner) as progress:
        assert unread(await ask(progress)) == 0
        await corner.send(TOPIC, [b"{}"] * COUNT)
        told = await ask(progress)
        assert unread(told) == COUNT
        assert len(told.ends) == partitions_of(TOPIC)
        service = Service(topics.Service.RECEIPTS, corner.settings())

        async def take(_: Iterable[Record[VoiceFinished]]) -> Iterable[Parked]:
            return ()

        # They cannot be read, so they go to the DLQ: that is dealt with, too.
        service.consume_batches("readers", [BatchRoute((TOPIC,), contract(VoiceFinished), take)])
        assert service.groups()["readers"] == (TOPIC,)
        await corner.start(service)
        clock = SystemClock()
        deadline = clock.monotonic() + 30
        while unread(await ask(progress)):
            assert clock.monotonic() < deadline, "not committed in time"
            await clock.sleep(0.05)


async def test_while_kafka_is_away_it_is_to_be_asked_again(corner: Corner) -> None:
    async with asking(corner, kafka_url="127.0.0.1:1") as progress:
        for _ in range(2):
            with pytest.raises(Retryable, match="Kafka does not answer"):
                await progress.ask()
