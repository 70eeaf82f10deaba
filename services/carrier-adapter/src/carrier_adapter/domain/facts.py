"""The facts that the adapter states about attempts, as AttemptFinished."""

from dataclasses import dataclass
from datetime import datetime

from carrier_adapter.domain.claims import Claim
from yizhan_contracts import ids, topics
from yizhan_contracts.events import (
    NO_CHANNEL,
    AttemptFinished,
    AttemptOutcome,
    AttemptPlanned,
)
from yizhan_contracts.reasons import Reason
from yizhan_contracts.topics import Address
from yizhan_telecom.attempts import tried_with

_DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: what a fact says beside what its plan says."""

    outcome: AttemptOutcome
    reason: Reason = Reason.NONE
    carrier_code: str = ""
    carrier_message_ids: tuple[str, ...] = ()
    """Of all parts that the carrier is known to have."""
    segments: int = 1
    detail: str = ""


def handed_over(
    plan: AttemptPlanned,
    carrier_account: str,
    sender: str,
    ending: Ending,
    claimed_at: datetime | None,
    now: datetime,
) -> AttemptFinished:
    """State what the carrier made of a claimed attempt, or that it never left us."""
    message = plan.message
    is_submitted = ending.outcome is AttemptOutcome.SUBMITTED
    is_in_parts = len(ending.carrier_message_ids) > 1
    return AttemptFinished(
        attempt_id=plan.attempt_id,
        message_id=message.message_id,
        n=plan.n,
        channel=plan.channel,
        carrier_account=carrier_account,
        outcome=ending.outcome,
        reason=ending.reason,
        carrier_code=ending.carrier_code,
        detail=ending.detail[:_DETAIL_CHARACTERS],
        carrier_message_id=next(iter(ending.carrier_message_ids), ""),
        carrier_message_ids=ending.carrier_message_ids if is_in_parts else (),
        segments=max(1, ending.segments, len(ending.carrier_message_ids)),
        sender=sender,
        country=message.country,
        tried=tried_with(plan.tried, plan.channel),
        decision=plan.decision,
        message=None if is_submitted else message,
        receipt_timeout_s=message.policy.receipt_timeout_s if is_submitted else None,
        claimed_at=claimed_at,
        finished_at=now,
    )


def unclaimed(
    plan: AttemptPlanned,
    carrier_account: str,
    outcome: AttemptOutcome,
    reason: Reason,
    now: datetime,
) -> AttemptFinished:
    """State that an attempt was never claimed: released or expired; on ``none`` also unroutable."""
    tried = plan.tried
    if plan.channel != NO_CHANNEL:
        tried = tried_with(plan.tried, plan.channel)
    return AttemptFinished(
        attempt_id=plan.attempt_id,
        message_id=plan.message.message_id,
        n=plan.n,
        channel=plan.channel,
        carrier_account=carrier_account,
        outcome=outcome,
        reason=reason,
        country=plan.message.country,
        tried=tried,
        decision=plan.decision,
        message=plan.message,
        finished_at=now,
    )


def in_doubt_of_another(
    plan: AttemptPlanned, claim: Claim, carrier_account: str, now: datetime
) -> AttemptFinished:
    """State that the owner of a claim never said what became of it.

    It names the claim's channel, whatever the plan at hand says: that is where the message may be.
    """
    return AttemptFinished(
        attempt_id=plan.attempt_id,
        message_id=plan.message.message_id,
        n=plan.n,
        channel=claim.channel,
        carrier_account=carrier_account,
        outcome=AttemptOutcome.IN_DOUBT,
        reason=Reason.IN_DOUBT,
        detail="claimed, and its owner never said what became of it",
        country=plan.message.country,
        tried=tried_with(plan.tried, claim.channel),
        decision=plan.decision if claim.channel == plan.channel else None,
        message=plan.message,
        claimed_at=claim.at,
        finished_at=now,
    )


def to_json(fact: AttemptFinished) -> bytes:
    """Serialise once: the same bytes are stored and published."""
    return fact.__pydantic_serializer__.to_json(fact)


def address_of(attempt_id: str) -> Address:
    """Place the facts of an attempt as the registry does, without parsing them."""
    shard = ids.shard_of(attempt_id)
    topic = topics.ATTEMPT_FINISHED
    return Address(topic.name, ids.key_of_shard(shard), ids.partition_of(shard, topic.partitions))
