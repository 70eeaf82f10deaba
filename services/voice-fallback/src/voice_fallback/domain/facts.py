"""The facts that are stated about calls, as VoiceFinished."""

from datetime import datetime

from voice_fallback.domain.story import RingResult
from yizhan_contracts.events import CallOutcome, VoiceFinished, VoiceRequested
from yizhan_contracts.reasons import Reason

REASONS: dict[CallOutcome, Reason] = {
    CallOutcome.ANSWERED: Reason.NONE,
    CallOutcome.NO_ANSWER: Reason.VOICE_UNANSWERED,
    CallOutcome.BUSY: Reason.VOICE_UNANSWERED,
    CallOutcome.FAILED: Reason.CARRIER_ERROR,
    CallOutcome.CANCELLED: Reason.CANCELLED,
    CallOutcome.UNKNOWN: Reason.UNKNOWN,
}


def of_result(
    message_id: str, account_id: str, result: RingResult, k: int, now: datetime
) -> VoiceFinished:
    """State what a call's last ring came to."""
    return VoiceFinished(
        message_id=message_id,
        account_id=account_id,
        outcome=result.outcome,
        reason=REASONS[result.outcome],
        provider=result.provider,
        provider_call_id=result.provider_call_id,
        provider_code=result.code,
        rings=k,
        answered_at=result.at if result.outcome is CallOutcome.ANSWERED else None,
        finished_at=now,
    )


def of_silence(
    request: VoiceRequested,
    provider: str,
    rings: int,
    outcome: CallOutcome,
    reason: Reason,
    now: datetime,
) -> VoiceFinished:
    """State the end of a call of whose last ring, if there was any, nothing is known."""
    return VoiceFinished(
        message_id=request.message_id,
        account_id=request.account_id,
        outcome=outcome,
        reason=reason,
        provider=provider,
        rings=rings,
        finished_at=now,
    )
