"""A carrier is broken by command under load, a router killed in the middle, the carrier mended."""

import asyncio
import random
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from bench.failover.house import CHANNELS, House, open_house
from bench.failover.seen import Change, Handed, Said, changes, hand_overs, quantiles_ms, read_all
from bench.load import SettledCounter, publish_events, shipment_events
from yizhan_contracts.events import AttemptPlanned
from yizhan_telecom.choice import Why

FAULTS: dict[str, dict[str, Any]] = {
    "down": {"down": True},
    "errors": {"error_ratio": 1},
    "silent": {"lose_answer_ratio": 1},
    "refuses": {"refuse_ratio": 1, "refuse_code": "balance"},
    "undelivered": {"receipt": {"delivered_ratio": 0, "fail_code": "REJECTD"}},
}
"""What the carrier may be told to do; each is one whole fault."""

ALPHA = CHANNELS[0]
_WARM_S = 8.0
_USED = 0.8
"""Alpha is used again when it gets so large a share of so many messages in a row."""
_OF = 30


@dataclass(frozen=True)
class Moments:
    """When what was done, by the clock of this machine."""

    broken: datetime
    killed: datetime
    mended: datetime


async def run(fault: str, *, rate: float, broken_s: float, after_s: float) -> dict[str, Any]:
    """Run one fault on a fresh stack with three routers."""
    count = int(rate * (_WARM_S + broken_s + after_s))
    async with open_house(routers=3) as house, SettledCounter(*house.kafka) as settled:
        events = shipment_events(count, secrets.token_hex(3), random.Random(11))
        publishing = asyncio.create_task(publish_events(*house.kafka, events, rate))
        moments = await _play(house, FAULTS[fault], broken_s)
        await publishing
        done = await settled.wait_for(count, 120)
        said, handed = await read_all(house), await hand_overs(house)
        minds = changes(house, ALPHA)
    return {
        "fault": fault,
        "routers": 3,
        "messages": count,
        "rate": rate,
        "settled": done,
        "statuses": said.statuses(),
        **_of_alpha(said, handed, moments),
        **_of_routers(minds, moments),
        **doubles(said, handed),
    }


async def _play(house: House, fault: dict[str, Any], broken_s: float) -> Moments:
    await asyncio.sleep(_WARM_S)
    await house.behave(ALPHA, fault)
    broken = datetime.now(UTC)
    await asyncio.sleep(broken_s / 2)
    await asyncio.to_thread(house.stack.kill, house.routers[1])
    killed = datetime.now(UTC)
    await asyncio.sleep(broken_s / 2)
    await house.behave(ALPHA, dict.fromkeys(fault))
    return Moments(broken, killed, datetime.now(UTC))


def _of_alpha(said: Said, handed: list[Handed], at: Moments) -> dict[str, Any]:
    """Tell when alpha was left and used again, by the plans of first attempts."""
    firsts = sorted((p for p in said.plans if p.n == 1), key=lambda plan: plan.planned_at)
    during = [plan for plan in firsts if at.broken <= plan.planned_at < at.mended]
    to_alpha = [plan for plan in during if plan.channel == ALPHA]
    chosen = [plan for plan in to_alpha if plan.decision.why != Why.PROBE]
    before = [plan for plan in chosen if plan.planned_at < at.killed]
    left_s = (before[-1].planned_at - at.broken).total_seconds() if before else 0.0
    after = [plan for plan in firsts if plan.planned_at >= at.mended]
    waits = [plan.planned_at - plan.message.accepted_at for plan in firsts]
    again = next((n for n in range(len(after) - _OF) if _is_used(after[n : n + _OF])), None)
    return {
        "ms_from_accepted_to_planned": quantiles_ms(waits),
        "planned_for_alpha_before_the_kill": len(before),
        "planned_for_alpha_after_the_kill": len(chosen) - len(before),
        "switches_of_traffic": _switches(firsts, at.broken),
        "probes_while_broken": len(to_alpha) - len(chosen),
        "of_messages_while_broken": len(during),
        "seconds_until_diverted": round(left_s, 2),
        "seconds_until_used_again": None
        if again is None
        else round((after[again].planned_at - at.mended).total_seconds(), 1),
        "taken_by_alpha_while_broken": sum(
            one.carrier == ALPHA and at.broken <= one.at < at.mended for one in handed
        ),
    }


def _switches(firsts: list[AttemptPlanned], since: datetime) -> int:
    """Count how often most of a second's messages went to alpha where they had not before."""
    seconds: dict[int, list[bool]] = {}
    for plan in firsts:
        second = int((plan.planned_at - since).total_seconds() // 1)
        seconds.setdefault(second, []).append(plan.channel == ALPHA)
    most = [sum(took) * 2 > len(took) for second, took in sorted(seconds.items()) if second >= -1]
    return sum(before is not after for before, after in pairwise(most))


def _is_used(plans: list[AttemptPlanned]) -> bool:
    return sum(plan.channel == ALPHA for plan in plans) >= _USED * len(plans)


def _of_routers(minds: list[Change], at: Moments) -> dict[str, Any]:
    """Tell when each router saw it, and how far apart they were."""
    opened: dict[str, float] = {}
    for change in minds:
        if change.after == "open" and at.broken <= change.at < at.killed:
            opened.setdefault(change.router, round((change.at - at.broken).total_seconds(), 3))
    healed: dict[str, float] = {}
    for change in minds:
        if change.after == "healthy" and change.at >= at.mended:
            healed[change.router] = round((change.at - at.mended).total_seconds(), 3)
    return {
        "seconds_until_seen": opened,
        "seconds_apart": round(max(opened.values()) - min(opened.values()), 3) if opened else None,
        "seconds_until_healthy": healed,
        "changes_of_mind": {
            router: sum(change.router == router and change.at >= at.broken for change in minds)
            for router in sorted({change.router for change in minds})
        },
    }


def doubles(said: Said, handed: list[Handed]) -> dict[str, Any]:
    """Count what was handed over again: an attempt never, a message only with a reason."""
    attempts: dict[str, int] = {}
    messages: dict[str, set[str]] = {}
    for one in handed:
        attempts[one.attempt_id] = attempts.get(one.attempt_id, 0) + 1
        messages.setdefault(one.message_id, set()).add(one.attempt_id)
    excused = {fact.message_id for fact in said.finished if fact.outcome == "in-doubt"}
    failed = {fact.message_id for fact in said.finished if fact.outcome == "submitted"}
    again = {message for message, ids in messages.items() if len(ids) > 1}
    return {
        "attempts_taken_twice": sum(count > 1 for count in attempts.values()),
        "messages_taken_again": len(again),
        "of_those_after_doubt": len(again & excused),
        "of_those_after_a_failed_receipt": len((again - excused) & failed),
    }
