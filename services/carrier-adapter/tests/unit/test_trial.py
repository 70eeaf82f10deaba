"""The carrier of test channels: answers and receipts by the last digits of the number."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from carrier_adapter.carriers.base import TOO_LATE, Accepted, Answer, Refused, Submission
from carrier_adapter.carriers.trial import LATE_AFTER_S, OUTCOMES, Receipt, TrialCarrier, outcome_of
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Retryable

from .fakes import FakeClock


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.taken: list[Receipt] = []
        self.failures = 0
        self.answers: dict[str, Answer] = {}
        self.carrier = TrialCarrier(self.take, self.clock)

    async def take(self, receipts: Sequence[Receipt]) -> None:
        if self.failures:
            self.failures -= 1
            raise Retryable("Kafka is away")
        self.taken.extend(receipts)

    async def submit(self, *suffixes: str, may_write: bool = True) -> None:
        batch = [
            Submission(suffix, f"+4477009000{suffix}", "Shop", "Hello", 300) for suffix in suffixes
        ]
        await self.carrier.submit(batch, lambda: may_write, self.answers.__setitem__)

    async def turn(self, seconds: float) -> None:
        await self.clock.turn(seconds)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.carrier.close()


async def test_most_numbers_get_their_message_a_second_later(world: World) -> None:
    await world.submit("55", "99")
    assert all(isinstance(answer, Accepted) for answer in world.answers.values())
    await world.turn(0.8)
    assert world.taken == []
    await world.turn(0.6)
    assert [(r["ref"], r["state"]) for r in world.taken] == [
        ("55", "delivered"),
        ("99", "delivered"),
    ]


@pytest.mark.parametrize(
    ("suffix", "state", "code"),
    [("01", "failed", "MK:0001"), ("03", "failed", "MI:0024"), ("05", "rejected", "DB:0141")],
)
async def test_the_last_digits_choose_the_receipt(
    world: World, suffix: str, state: str, code: str
) -> None:
    await world.submit(suffix)
    await world.turn(2)
    (receipt,) = world.taken
    assert (receipt["state"], receipt["code"]) == (state, code)


async def test_some_are_refused_at_once_and_have_no_receipt(world: World) -> None:
    await world.submit("06", "07")
    assert world.answers["06"] == Refused("DB:0117", Reason.TEMPLATE_NOT_REGISTERED, "test channel")
    assert world.answers["07"] == Refused("11", Reason.NUMBER_INVALID, "test channel")
    await world.turn(3)
    assert world.taken == []


async def test_receipts_may_stay_away_come_late_or_twice(world: World) -> None:
    await world.submit("09", "08", "10")
    await world.turn(2)
    assert [receipt["ref"] for receipt in world.taken] == ["10", "10"]
    await world.turn(LATE_AFTER_S)
    assert [receipt["ref"] for receipt in world.taken] == ["10", "10", "09"]


async def test_a_late_one_holds_nobody_up(world: World) -> None:
    await world.submit("09")
    await world.turn(1)
    await world.submit("55")
    await world.turn(1.6)
    assert [receipt["ref"] for receipt in world.taken] == ["55"]


async def test_receipts_wait_while_kafka_is_away(world: World) -> None:
    world.failures = 3
    await world.submit("55")
    await world.turn(3)
    assert [receipt["ref"] for receipt in world.taken] == ["55"]


async def test_a_claim_that_is_too_old_is_not_taken(world: World) -> None:
    await world.submit("55", may_write=False)
    assert world.answers == {"55": TOO_LATE}
    await world.turn(2)
    assert world.taken == []


def test_the_readme_names_every_ending() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{suffix}`" in readme for suffix in OUTCOMES)
    assert outcome_of("+8613800000001").code == "MK:0001"


async def test_what_is_closed_sends_no_more(world: World) -> None:
    await world.submit("55")
    await world.carrier.close()
    await world.turn(2)
    assert world.taken == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
