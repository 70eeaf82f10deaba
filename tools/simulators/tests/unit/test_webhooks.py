import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import NamedTuple

import pytest
from tools.simulators.tests.support import ManualClock, until

from yizhan_simulators.webhooks import Courier


class Note(NamedTuple):
    due: float
    callback: str
    text: str


class World:
    """The other end, and who wants to know."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str]] = []
        self.is_up = True
        self.at_once = 0
        self.most_at_once = 0
        self.outcomes: list[tuple[str, str]] = []
        self.unwanted: set[str] = set()
        self.pause_s = 0.0

    async def post(self, url: str, body: bytes) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.pause_s)
        self.at_once -= 1
        self.posts.append((url, body.decode()))
        return self.is_up and "dead" not in url

    def is_owed(self, note: Note) -> bool:
        return note.text not in self.unwanted

    def done(self, notes: Sequence[Note], outcome: str) -> None:
        self.outcomes += [(note.text, outcome) for note in notes]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000)


@pytest.fixture
async def courier(world: World, clock: ManualClock) -> AsyncIterator[Courier[Note]]:
    courier: Courier[Note] = Courier(
        post=world.post,
        encode=lambda notes: ",".join(note.text for note in notes).encode(),
        outcomes=world,
        batch_most=3,
        rng=Random(1),
        clock=clock,
        retry_for_s=60,
    )
    yield courier
    await courier.stop()


def notes(count: int, url: str = "http://a/") -> list[Note]:
    return [Note(1000, url, str(number)) for number in range(count)]


async def test_what_is_due_together_goes_in_batches(courier: Courier[Note], world: World) -> None:
    courier.send(notes(7))
    await until(lambda: len(world.outcomes) == 7)

    assert sorted(body for _, body in world.posts) == ["0,1,2", "3,4,5", "6"]
    assert {outcome for _, outcome in world.outcomes} == {"sent"}


async def test_several_batches_are_under_way_at_a_time(
    courier: Courier[Note], world: World
) -> None:
    world.pause_s = 0.02
    courier.send(notes(30))
    await until(lambda: len(world.outcomes) == 30)

    assert world.most_at_once == 4


async def test_failed_batch_is_repeated_until_taken(courier: Courier[Note], world: World) -> None:
    world.is_up = False
    courier.send(notes(9))
    await until(lambda: len(world.posts) >= 4)
    world.is_up = True
    await until(lambda: len(world.outcomes) == 9)

    assert {outcome for _, outcome in world.outcomes} == {"sent"}


async def test_url_that_fails_is_only_probed(courier: Courier[Note], world: World) -> None:
    world.is_up = False
    courier.send(notes(30))
    await until(lambda: len(world.posts) == 4)
    await asyncio.sleep(0.3)

    assert len(world.posts) <= 7


async def test_dead_url_does_not_delay_another(courier: Courier[Note], world: World) -> None:
    courier.send([*notes(5, "http://dead/"), *notes(3, "http://b/")])
    await until(lambda: len(world.outcomes) == 3)

    assert ("http://b/", "0,1,2") in world.posts


async def test_what_is_too_old_is_given_up(
    courier: Courier[Note], world: World, clock: ManualClock
) -> None:
    world.is_up = False
    courier.send(notes(2))
    await until(lambda: world.posts)
    clock.now += 61
    await until(lambda: len(world.outcomes) == 2)

    assert world.outcomes == [("0", "given_up"), ("1", "given_up")]


async def test_what_is_no_longer_owed_is_not_sent(courier: Courier[Note], world: World) -> None:
    world.unwanted = {"0", "2"}
    courier.send(notes(3))
    await until(lambda: world.outcomes)

    assert world.posts == [("http://a/", "1")]


async def test_send_now_returns_when_it_was_said(courier: Courier[Note], world: World) -> None:
    await courier.send_now(notes(4))

    assert len(world.outcomes) == 4


async def test_send_now_leaves_failures_to_the_retries(
    courier: Courier[Note], world: World
) -> None:
    world.is_up = False
    await courier.send_now(notes(2))
    assert world.outcomes == []

    world.is_up = True
    await until(lambda: len(world.outcomes) == 2)
