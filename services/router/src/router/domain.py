"""What is to be planned after an event, and the plans themselves. Pure.

The rules of the message protocol that are the router's: a released attempt is planned again under
its own number (so that the claim decides), any other next number is that of the attempt that ended
+ 1, and what has no route or is too late goes through the channel ``none``.
"""

from dataclasses import dataclass
from datetime import datetime

from yizhan_contracts import ids
from yizhan_contracts.events import (
    NO_CHANNEL,
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
    Decision,
    MessageAccepted,
    RerouteRequested,
)
from yizhan_contracts.reasons import Reason
from yizhan_telecom.attempts import Succession, succession, tried_before
from yizhan_telecom.channel_rules import sender_refusal, template_refusal
from yizhan_telecom.choice import Choice, Facts, Table, Why

Routable = MessageAccepted | AttemptFinished | RerouteRequested


@dataclass(frozen=True, slots=True)
class Task:
    """Plan attempt ``n`` of a message."""

    message: MessageAccepted
    n: int
    tried: tuple[str, ...] = ()
    released_by: str = ""
    """The channel that handed this very attempt back."""
    may_repeat: bool = False
    """The last attempt never left us: rather than give up, a channel may be tried again."""


def task_of(event: Routable) -> Task | None:
    """Decide what is to be planned after an event, None for nothing."""
    match event:
        case MessageAccepted():
            return Task(event, 1)
        case RerouteRequested():
            return Task(event.message, event.n + 1, event.tried)
        case _:
            return _after(event)


def _after(finished: AttemptFinished) -> Task | None:
    message, n = finished.message, finished.n
    if message is None:
        return None
    match succession(message.policy, n, finished.outcome, finished.reason):
        case Succession.SAME:
            tried = tried_before(finished.tried, finished.channel)
            return Task(message, n, tried, released_by=finished.channel)
        case Succession.NEXT:
            never_left = finished.outcome is AttemptOutcome.FAILED
            return Task(message, n + 1, finished.tried, may_repeat=never_left)
        case _:
            return None


def planned(task: Task, choice: Choice, channel: str, now: datetime) -> AttemptPlanned:
    """Plan an attempt on the channel that was chosen."""
    return AttemptPlanned(
        attempt_id=ids.attempt_id(task.message.message_id, task.n),
        n=task.n,
        channel=channel,
        message=task.message,
        tried=task.tried,
        decision=choice.decision,
        planned_at=now,
    )


def closed(
    task: Task, reason: Reason, now: datetime, decision: Decision | None = None
) -> AttemptPlanned:
    """Plan an attempt on the channel ``none``: whoever claims it there settles the message.

    Never say so without the claim: a router that found no channel, crashed before its commit and
    then found one would have told two stories.
    """
    return AttemptPlanned(
        attempt_id=ids.attempt_id(task.message.message_id, task.n),
        n=task.n,
        channel=NO_CHANNEL,
        message=task.message,
        tried=task.tried,
        decision=decision or Decision(why=reason),
        reason=reason,
        planned_at=now,
    )


def reason_without_channel(choice: Choice, facts: Facts, table: Table) -> Reason:
    """Say why there is no channel; where all that serve the country refuse alike, for what."""
    if choice.why is Why.EXHAUSTED:
        return Reason.ATTEMPTS_EXHAUSTED
    if choice.why is not Why.NOT_TAKEN:
        return Reason.NO_ROUTE
    entries = table.entries(facts.country, facts.network, is_test=facts.is_test)
    channels = [entry.configured for entry in entries]
    if all(template_refusal(channel, facts.template) for channel in channels):
        return Reason.TEMPLATE_NOT_REGISTERED
    if all(sender_refusal(channel, facts.country, facts.sender) for channel in channels):
        return Reason.SENDER_NOT_REGISTERED
    return Reason.NO_ROUTE
