"""Accepted = settled = pushed, nothing sent twice: counted at the ends, judged as the demo does."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.support.notes import note
from tests.support.parties import PROVIDER
from tests.support.settling import until
from tests.support.world import CUSTOMERS, World
from yizhan_contracts.events import AttemptOutcome, Medium, Status
from yizhan_demo.conservation import Ends, judge

CUSTOMERS_SUCCESS = "0"


@dataclass(frozen=True)
class Balance:
    """What came of a load whose conservation held."""

    accepted: int
    statuses: Counter[str]
    in_doubt: int
    """Attempts of which nobody can know."""
    delivered_twice: int
    """Messages that reached their handset twice; each has an attempt in doubt."""
    pushed_again: int
    settled_after_s: float
    """From the last message sent to the last one settled and pushed."""

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} {status}" for status, count in self.statuses.most_common())
        return (
            f"{self.accepted} accepted: {statuses}; {self.in_doubt} attempts in doubt, "
            f"{self.delivered_twice} messages twice for it; {self.pushed_again} pushed again; "
            f"all settled and pushed {self.settled_after_s:.1f} s after the last was sent"
        )


async def conserved(
    world: World,
    message_ids: Collection[str],
    *,
    most_in_doubt: int,
    within_s: float = 60,
    customers: Sequence[str] = CUSTOMERS,
) -> Balance:
    """Wait until all of it is over, then hold the ends against each other."""
    ids, begun = set(message_ids), time.monotonic()
    assert ids, "nothing was accepted"
    await _until_over(world, ids, within_s, customers)
    took_s = time.monotonic() - begun
    ends = await _ends(world, ids, customers)
    verdict = judge(ends)
    assert verdict.holds, verdict
    said = {i: last for i in ids if (last := world.topics.last(i))}
    unsettled = [i for i, last in said.items() if last.status is Status.UNKNOWN]
    assert not unsettled, f"nobody knows what became of {unsettled[:5]} ({len(unsettled)})"
    await _assert_pushes_say_so(world, ids, customers)
    rings = (await world.ends.calls(PROVIDER))["by_ref"]
    assert [ref for ref, calls in rings.items() if len(calls) > 1] == [], "ordered twice"
    in_doubt = {attempt for attempt in world.topics.in_doubt if attempt.rpartition("-")[0] in ids}
    assert len(in_doubt) <= most_in_doubt, f"{len(in_doubt)} attempts in doubt"
    pushes = [await world.ends.customer(name) for name in customers]
    balance = Balance(
        accepted=len(ids),
        statuses=Counter(last.status for last in said.values()),
        in_doubt=len(in_doubt),
        delivered_twice=sum(times > 1 for times in ends.delivered.values()),
        pushed_again=len({i for push in pushes for i in push["sms_ids_twice"]} & ids),
        settled_after_s=took_s,
    )
    note(str(balance))
    return balance


async def _until_over(
    world: World, ids: set[str], within_s: float, customers: Sequence[str]
) -> None:
    """Wait until all has settled, every planned attempt has ended, and every customer knows."""
    deadline = time.monotonic() + within_s

    def left_s() -> float:
        return max(5.0, deadline - time.monotonic())

    def unsettled() -> list[str]:
        return [i for i in ids if i not in world.topics.settled]

    try:
        await until(lambda: not unsettled(), "all settled", within_s=left_s())
    except AssertionError as error:
        left = unsettled()
        stories = [_told(world, i) for i in left[:3]]
        raise AssertionError(f"{len(left)} never settled, such as {stories}") from error
    await until(
        lambda: not world.topics.unfinished(ids), "all attempts finished", within_s=left_s()
    )

    async def all_pushed() -> bool:
        return ids <= await _acknowledged(world, customers)

    await until(all_pushed, "every message pushed", within_s=left_s(), every_s=0.5)


def _told(world: World, message_id: str) -> dict[str, object]:
    topics = world.topics
    return {
        "message_id": message_id,
        "planned": [(p.attempt_id, p.channel) for p in topics.plans.get(message_id, ())],
        "finished": [
            (f.attempt_id, f.channel, f.outcome, f.reason)
            for f in topics.finished.get(message_id, ())
        ],
    }


async def _acknowledged(world: World, customers: Sequence[str]) -> set[str]:
    """Give the messages of which a customer has acknowledged a push."""
    records = [await world.ends.customer(name) for name in customers]
    return {
        sms_id
        for record in records
        for sms_id, story in record["by_sms_id"].items()
        if any(arrival["answer"] == "00000" for arrival in story["arrivals"])
    }


async def _ends(world: World, ids: set[str], customers: Sequence[str]) -> Ends:
    """Count. A stranger, whom nobody accepted, counts whatever load it belongs to."""
    others = world.accepted - ids
    handed: dict[str, list[str]] = defaultdict(list)
    delivered: Counter[str] = Counter()
    for one in await world.ends.all_handed():
        message_id = one.ref.rpartition("-")[0]
        if message_id not in others:
            handed[message_id].append(one.ref)
            delivered[message_id] += one.is_delivered
    pushed: dict[str, str] = {}
    for name in customers:
        for sms_id, story in (await world.ends.customer(name))["by_sms_id"].items():
            if sms_id not in others:
                pushed[sms_id] = story["status"]
    return Ends(
        accepted=frozenset(ids),
        handed=handed,
        delivered=delivered,
        pushed=pushed,
        settled={i: said for i, said in world.topics.settled.items() if i not in others},
        in_doubt=frozenset(world.topics.in_doubt),
    )


async def _assert_pushes_say_so(world: World, ids: set[str], customers: Sequence[str]) -> None:
    """Hold the last push of each message against its last word: the SMS is what it speaks of."""
    wrong = []
    for name in customers:
        for sms_id, story in (await world.ends.customer(name))["by_sms_id"].items():
            last = world.topics.last(sms_id) if sms_id in ids else None
            if last is None:
                continue
            is_success = last.status is Status.DELIVERED and last.via is Medium.SMS
            if (story["status"] == CUSTOMERS_SUCCESS) is not is_success:
                wrong.append((sms_id, story["status"], last.status, last.via))
    assert not wrong, wrong[:5]


def outcomes(world: World, message_id: str) -> list[tuple[str, AttemptOutcome]]:
    """Give what was said of a message's attempts, in order."""
    return [(f.attempt_id, f.outcome) for f in world.topics.finished.get(message_id, ())]
