"""What would be chosen now, and from what."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from router.api.models import CandidateOut, ExplainOut
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_contracts import ids
from yizhan_contracts.events import Lane, RoutingPolicy
from yizhan_telecom.choice import Chooser, Explained, Facts

_ANY_MESSAGE = "0" * 32


def explain_route(channels: Channels, chooser: Chooser, watch: HealthWatch) -> APIRouter:
    """Make the route ``/explain``."""
    api = APIRouter()

    @api.get("/explain")
    async def explain(
        country: Annotated[str, Query(pattern=r"^([A-Z]{2}|[0-9]{3})$")],
        routing: RoutingPolicy = RoutingPolicy.QUALITY,
        lane: Lane = Lane.STANDARD,
        test: bool = False,  # noqa: FBT001, FBT002 - a query parameter
        tried: Annotated[str, Query(description="channels, comma-separated")] = "",
        message_id: str = _ANY_MESSAGE,
    ) -> ExplainOut:
        """Say what a message would take now, without sending any."""
        if not ids.is_message_id(message_id):
            raise HTTPException(422, "a message id is 32 hexadecimal characters")
        names = tuple(name for name in tried.split(",") if name)
        facts = Facts(message_id, len(names) + 1, country, lane, routing, test, may_probe=False)
        explained = chooser.explain(facts, watch.advance(), names)
        choice = explained.choice
        return ExplainOut(
            country=country,
            routing=routing,
            lane=lane,
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
