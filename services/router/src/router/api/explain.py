"""What would be chosen now, and from what."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from router.api.models import CandidateOut, ExplainOut
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_contracts import ids
from yizhan_contracts.events import Lane, RoutingPolicy
from yizhan_telecom.choice import Chooser, Facts, Ranked, route_of

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
        watch.advance()
        names = tuple(name for name in tried.split(",") if name)
        facts = Facts(message_id, len(names) + 1, country, lane, routing, test, may_probe=False)
        ranking = chooser.ranking(facts)
        choice = chooser.look(facts, names)
        return ExplainOut(
            country=country,
            routing=routing,
            lane=lane,
            chosen=choice.channel,
            why=choice.why,
            candidates=[_candidate(row, names) for row in ranking.rows],
            excluded=_excluded(chooser, facts),
            table_version=channels.version,
        )

    return api


def _candidate(row: Ranked, tried: tuple[str, ...]) -> CandidateOut:
    candidate, entry = row.candidate(), row.entry
    return CandidateOut(
        channel=candidate.channel,
        state=candidate.state,
        score=candidate.score,
        note=candidate.note,
        is_tried=entry.channel in tried,
        price=entry.price,
        priority=entry.priority,
        weight=entry.weight,
        is_full=row.is_full,
    )


def _excluded(chooser: Chooser, facts: Facts) -> dict[str, str]:
    """Say of each channel that is no candidate why it is none."""
    table = chooser.table
    reasons: dict[str, str] = {}
    for name, channel in table.channels.items():
        if name in table.excluded:
            reasons[name] = table.excluded[name]
        elif channel.test is not facts.is_test:
            reasons[name] = "for test messages only" if channel.test else "not for test messages"
        elif route_of(channel, facts.country) is None:
            reasons[name] = "does not serve the country"
    return reasons
