"""A morning of the demo: publish, break a carrier half-way, wait until everything has settled.

Count at the ends.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from yizhan_demo.conservation import Ends, Verdict, judge
from yizhan_demo.parties import Parties, Push
from yizhan_demo.topics import Publisher, Watch
from yizhan_demo.upstream import Kind, Upstream

LEFT = ("open", "probing")
"""The states of a channel that the router plans around."""

HANDSETS: dict[str, str] = {
    # Australia: handsets that are switched off; another carrier cannot help.
    "+61": "failed:UNDELIV",
    # South Africa: the carriers lose the receipts.
    "+27": "none",
    # Vietnam: numbers that nobody has.
    "+84": "failed:vacant-number",
}
"""How the handsets of three countries fail, so that the demo has something to tell."""

Progress = Callable[["Morning"], None]


@dataclass
class Morning:
    """What has happened so far."""

    watch: Watch
    parties: Parties
    upstream: Upstream
    rate: float
    published: dict[Kind, int] = field(default_factory=dict)
    published_at: dict[str, datetime] = field(default_factory=dict)
    broken: str = ""
    broken_at: datetime | None = None
    handed: int = 0
    pushed: int = 0
    phase: str = "publishing"

    @property
    def published_total(self) -> int:
        return sum(self.published.values())

    async def publish(self, publisher: Publisher, progress: Progress) -> None:
        """Publish at a steady rate; half-way through.

        The carrier with the most traffic goes down.
        """
        begun = time.monotonic()
        for number, record in enumerate(self.upstream.records()):
            if record.event_id and record.kind is not Kind.REPEATED:
                self.published_at[record.event_id] = datetime.now(UTC)
            await publisher.publish(record)
            self.published[record.kind] = self.published.get(record.kind, 0) + 1
            if not self.broken and number >= self.upstream.events // 2:
                await self._break_the_busiest()
            progress(self)
            await asyncio.sleep(max(0.0, begun + (number + 1) / self.rate - time.monotonic()))

    async def _break_the_busiest(self) -> None:
        carriers = (await self.parties.carriers())["carriers"]
        if not carriers:
            return  # nothing has come so far yet: at the next event
        self.broken = max(carriers, key=lambda name: int(carriers[name]["handed"]))
        await self.parties.behave("carriers", self.broken, {"down": True})
        self.broken_at = datetime.now(UTC)

    async def settle(self, progress: Progress, within_s: float) -> None:
        """Wait until upstream has all answers.

        And all that was accepted has settled and was pushed.
        """
        self.phase = "settling"
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            await self.count()
            progress(self)
            if self.is_over():
                return
            await asyncio.sleep(0.5)

    async def count(self) -> None:
        """Ask the ends how far things are."""
        self.handed = int((await self.parties.carriers())["handed"])
        self.pushed = await self.parties.pushed_count()

    def is_over(self) -> bool:
        accepted = self.watch.accepted
        return (
            len(self.watch.answers) >= self.published_total
            and len(self.watch.settled) >= len(accepted)
            and self.pushed >= len(accepted)
        )

    def diverted_after_s(self) -> tuple[float | None, int]:
        """Give when the router first planned around the broken carrier, in seconds from its fall.

        And how many attempts it had still planned for it until then.
        """
        if self.broken_at is None:
            return None, 0
        late = sorted(
            (plan for plan in self.watch.planned if plan.at > self.broken_at),
            key=lambda plan: plan.at,
        )
        sent = 0
        for plan in late:
            if plan.channel == self.broken:
                sent += 1
            elif plan.states.get(self.broken) in LEFT:
                return (plan.at - self.broken_at).total_seconds(), sent
        return None, sent


@dataclass
class Outcome:
    """The morning, counted at the ends."""

    morning: Morning
    verdict: Verdict
    pushes: dict[str, Push]
    hand_overs: dict[str, list[tuple[str, dict[str, Any]]]]
    """By message: carrier and what it took, in order of time."""
    calls: dict[str, Any]
    latencies_s: list[float]


async def count_at_the_ends(morning: Morning, provider: str) -> Outcome:
    """Collect what the ends say, and judge it."""
    watch, parties = morning.watch, morning.parties
    hand_overs: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    attempts: dict[str, list[str]] = {}
    for carrier in (await parties.carriers())["carriers"]:
        for ref, taken in (await parties.hand_overs(carrier)).items():
            message = ref.rpartition("-")[0]
            attempts.setdefault(message, []).extend([ref] * len(taken))
            hand_overs.setdefault(message, []).extend(
                (carrier, {**one, "ref": ref}) for one in taken
            )
    for story in hand_overs.values():
        story.sort(key=lambda item: str(item[1]["at"]))
    pushes = await parties.pushes()
    delivered = {
        message: sum(one["final"] == "delivered" for _, one in story)
        for message, story in hand_overs.items()
    }
    ends = Ends(
        accepted=frozenset(watch.accepted),
        handed=attempts,
        delivered=delivered,
        pushed={message: push.status for message, push in pushes.items()},
        settled=watch.settled,
        in_doubt=frozenset(watch.in_doubt),
        answers_missing=max(0, morning.published_total - len(watch.answers)),
    )
    calls = await parties.calls(provider)
    return Outcome(morning, judge(ends), pushes, hand_overs, calls, _latencies(morning, hand_overs))


def _latencies(
    morning: Morning, hand_overs: dict[str, list[tuple[str, dict[str, Any]]]]
) -> list[float]:
    """Give the seconds from upstream's publish to the first hand-over, by the carrier's clock."""
    found = []
    for message, answer in morning.watch.accepted.items():
        published = morning.published_at.get(answer.event_id)
        story = hand_overs.get(message)
        if published is not None and story:
            found.append((datetime.fromisoformat(story[0][1]["at"]) - published).total_seconds())
    return sorted(found)
