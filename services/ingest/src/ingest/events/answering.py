"""One answer for every event read, so that its sender knows what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.codes import WHAT_TO_DO, Code
from ingest.events.judging import Case, Verdict
from ingest.events.parsing import Unreadable
from ingest.ports import Input
from yizhan_contracts.events import Answer, AnsweredMessage, ShipmentAnswered


def answer_case(
    origin: str,
    case: Case,
    verdicts: Sequence[Verdict],
    stored: Mapping[str, Input],
    now: datetime,
) -> ShipmentAnswered:
    """Answer an event that was read. ``stored`` holds what was accepted, by input id."""
    event = case.event
    answer, code, detail = _sum_up(verdicts)
    return ShipmentAnswered(
        origin=origin,
        source=event.source,
        event_id=event.event_id,
        revision=event.revision,
        shipment_id=event.shipment_id,
        answer=answer,
        code=code,
        detail=detail,
        duplicate=any(verdict.is_repeat for verdict in verdicts),
        messages=tuple(
            _of_recipient(verdict, stored, event.milestone)
            for verdict in sorted(verdicts, key=lambda verdict: verdict.index)
        ),
        answered_at=now,
    )


def answer_unreadable(origin: str, unreadable: Unreadable, now: datetime) -> ShipmentAnswered:
    """Answer a record that is no event, by what could be read of it."""
    named, what_to_do = unreadable.named, WHAT_TO_DO[unreadable.answer]
    return ShipmentAnswered(
        origin=origin,
        source=named.source,
        event_id=named.event_id,
        revision=named.revision,
        shipment_id=named.shipment_id,
        answer=Answer.REJECTED,
        code=unreadable.answer,
        detail=f"{unreadable.code}: {unreadable.detail}. {what_to_do}",
        answered_at=now,
    )


def _sum_up(verdicts: Sequence[Verdict]) -> tuple[Answer, str, str]:
    """Say of the event what holds for all its recipients, or that they differ."""
    answers = {verdict.answer for verdict in verdicts}
    if Answer.ACCEPTED in answers:
        code = Code.PARTLY_ACCEPTED if len(answers) > 1 else None
        return Answer.ACCEPTED, code or "", WHAT_TO_DO[code] if code else ""
    answer = Answer.REJECTED if Answer.REJECTED in answers else Answer.SUPPRESSED
    codes = {verdict.refusal.code for verdict in verdicts if verdict.refusal}
    if len(codes) > 1:
        return answer, Code.NONE_ACCEPTED, WHAT_TO_DO[Code.NONE_ACCEPTED]
    return answer, codes.pop(), str(verdicts[0].refusal)


def _of_recipient(verdict: Verdict, stored: Mapping[str, Input], rule: str) -> AnsweredMessage:
    if verdict.refusal is not None:
        return AnsweredMessage(
            recipient_index=verdict.index,
            answer=verdict.answer,
            code=verdict.refusal.code,
            detail=str(verdict.refusal),
        )
    return AnsweredMessage(
        recipient_index=verdict.index,
        answer=verdict.answer,
        message_id=stored[verdict.input_id].message.message_id,
        rule=rule,
    )
