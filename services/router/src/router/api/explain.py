"""What would be chosen now, and from what."""

from typing import Annotated

from fastapi import APIRouter, Query

from router.api.models import CandidateOut, ExplainIn, ExplainOut
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_telecom.choice import Chooser, Explained, Facts


def explain_route(channels: Channels, chooser: Chooser, watch: HealthWatch) -> APIRouter:
    """Make the route ``/explain``."""
    api = APIRouter()

    @api.get("/explain")
    async def explain(asked: Annotated[ExplainIn, Query()]) -> ExplainOut:
        """Say what a message would take now, without sending any."""
        names = tuple(name for name in asked.tried.split(",") if name)
        facts = Facts(
            asked.message_id,
            len(names) + 1,
            asked.country,
            asked.lane,
            asked.routing,
            asked.test,
            may_probe=False,
            network=asked.network,
            account_id=asked.account,
        )
        explained = chooser.explain(facts, watch.advance(), names)
        choice = explained.choice
        return ExplainOut(
            country=asked.country,
            routing=explained.routing,
            lane=asked.lane,
            chosen=choice.channel,
            why=choice.why,
            candidates=[_candidate(one) for one in explained.candidates],
            excluded=explained.excluded,
            table_version=channels.version,
        )

    return api


def _candidate(explained: Explained) -> CandidateOut:
    candidate, entry = explained.candidate(), explained.entry
    return CandidateOut(
        channel=candidate.channel,
        state=candidate.state,
        score=candidate.score,
        note=candidate.note,
        is_tried=explained.is_tried,
        price=entry.price,
        priority=entry.priority,
        weight=explained.row.weight,
        is_full=explained.is_full,
    )
