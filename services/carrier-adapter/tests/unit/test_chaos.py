"""Random faults, by seed: crashes, repeats, two owners, a store and a Kafka that time out.

A failing seed plays again exactly. What must hold: an attempt is handed over once, ever; what was
claimed to be sent is reported; what was handed over is never called unroutable or expired.
"""

import random
from collections.abc import Sequence
from random import Random

import pytest

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answered,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.domain.claims import ClaimKind
from yizhan_contracts.events import AttemptPlanned, HoldKind
from yizhan_contracts.reasons import Reason

from .fakes import FakeCarrier
from .world import TIMEOUT_S, Opened, Process, World, hold, message, plan


class Moody:
    """A carrier that does anything that carriers do, and counts what it was handed."""

    def __init__(self, world: World, carrier: FakeCarrier, rng: Random) -> None:
        self._world = world
        self._carrier = carrier
        self._rng = rng
        self.is_calm = False

    async def __call__(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        mood = "accept" if self.is_calm else self._rng.choice(MOODS)
        if mood == "slow-to-connect":
            await self._world.clock.sleep(self._rng.uniform(0, TIMEOUT_S))
        if mood == "down":
            for one in batch:
                answered(one.attempt_id, NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE))
            return
        if not may_write():
            for one in batch:
                answered(one.attempt_id, TOO_LATE)
            return
        if mood == "refuse":
            for one in batch:
                answered(one.attempt_id, Refused("11", Reason.NUMBER_INVALID))
            return
        self._carrier.take(batch)
        if mood == "slow":
            await self._world.clock.sleep(self._rng.uniform(0, TIMEOUT_S * 2))
        for one in batch:
            lost = mood == "lose" and self._rng.random() < 0.5
            answer = Lost("broken") if lost else Accepted((self._carrier.new_id(),))
            answered(one.attempt_id, answer)


MOODS = ("accept", "accept", "accept", "slow", "lose", "refuse", "down", "slow-to-connect")


def _plans(rng: Random) -> list[AttemptPlanned]:
    """Messages, some of which a router that crashed has planned twice, or given up as well."""
    plans: list[AttemptPlanned] = []
    for _ in range(rng.randint(3, 8)):
        valid_for_s = rng.choice([5.0, 60.0, 3600.0])
        of = message(valid_for_s=valid_for_s, shipment_id=f"s-{len(plans)}")
        channels = rng.sample(["a", "b", "none"], rng.choice([1, 1, 2, 3]))
        if channels == ["none"]:
            channels = ["a"]
        plans += [
            plan(of, channel=name, reason=Reason.NO_ROUTE if name == "none" else Reason.NONE)
            for name in channels
        ]
    return plans


class Story:
    """One seed: lives of a process, each with faults, until a calm one ends it."""

    def __init__(self, seed: int) -> None:
        random.seed(seed)  # the jitter of backoffs
        self.rng = Random(seed)
        self.world = World("a", "b", window=5, batch_max=3)
        self.moods = []
        for carrier in self.world.carriers.values():
            mood = Moody(self.world, carrier, self.rng)
            carrier.behaviour = mood
            self.moods.append(mood)
        self.plans = _plans(self.rng)

    async def live(self) -> None:
        """Let a process, or two at once, read some of the records and come to its end."""
        die_at = self.rng.choice([None, self.rng.randint(0, 40)])
        async with self.world.process(die_at=die_at, down_after_s=1.0) as process:
            records = self._read(process)
            if self.rng.random() < 0.3:
                async with self.world.process(down_after_s=1.0) as other:
                    records += self._read(other)
                    await self._pass_time(process, records)
            else:
                await self._pass_time(process, records)

    async def end(self) -> list[Opened]:
        """Let a last process read everything, with nothing going wrong any more."""
        world = self.world
        world.store.away = world.store.unknown = world.kafka.away = world.kafka.unknown = 0
        for mood in self.moods:
            mood.is_calm = True
        async with world.process() as process:
            records = process.read(*self.plans)
            await process.turn(TIMEOUT_S * 4)
        return records

    def _read(self, process: Process) -> list[Opened]:
        read = [one for one in self.plans if self.rng.random() < 0.8]
        self.rng.shuffle(read)
        return process.read(*read, *self.rng.sample(read, len(read) // 4))

    async def _pass_time(self, process: Process, records: list[Opened]) -> None:
        for _ in range(self.rng.randint(1, 6)):
            self._break_something()
            await self.world.clock.turn(self.rng.choice([0.01, 0.3, 2.0, TIMEOUT_S]))
            if self.rng.random() < 0.15:
                self.world.clock.jump(self.rng.uniform(0, TIMEOUT_S * 2))
            if self.rng.random() < 0.2:
                self._hold_something(process)
            if self.rng.random() < 0.1:
                process.revoke([one for one in records if one.ending == "open"])

    def _hold_something(self, process: Process) -> None:
        """Hold a message, or hold it no longer: this process has heard of it, another may not."""
        held = self.rng.choice(self.plans).message.origin.shipment_id
        happening = hold(HoldKind.SHIPMENT, held, cancel=self.rng.random() < 0.5)
        happening = happening.model_copy(update={"held": self.rng.random() < 0.7})
        process.holds.on_changed(happening.key(), happening)

    def _break_something(self) -> None:
        store, kafka = self.world.store, self.world.kafka
        for outage in (store, kafka):
            outage.away = self.rng.choice([0, 0, 1, 3])
            outage.unknown = self.rng.choice([0, 0, 1, 2])


@pytest.mark.parametrize("seed", range(100))
async def test_whatever_fails_each_attempt_is_sent_once_and_none_is_lost(seed: int) -> None:
    story = Story(seed)
    for _ in range(story.rng.randint(1, 4)):
        await story.live()
    records = await story.end()
    world = story.world
    assert {one.ending for one in records} == {"finished"}
    handed = [one.attempt_id for carrier in world.carriers.values() for one in carrier.handed]
    assert len(handed) == len(set(handed)), "handed over twice"
    said: dict[str, set[str]] = {}
    for attempt_id, outcome in world.outcomes():
        said.setdefault(attempt_id, set()).add(outcome)
    for attempt_id, claim in world.store.claims.items():
        if claim.kind is ClaimKind.SENT:
            assert said.get(attempt_id), "a claimed attempt is never reported"
            assert "unroutable" not in said[attempt_id]
        else:
            assert attempt_id not in handed
    for attempt_id in handed:
        assert said[attempt_id] & {"submitted", "in-doubt"}, (
            "handed over, and called something else"
        )
        assert not said[attempt_id] & {"expired", "unroutable"}
    for planned in story.plans:
        assert said.get(planned.attempt_id), "nobody ever said what became of it"
