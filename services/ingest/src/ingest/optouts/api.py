"""Routes to opt-outs and blacklists. Numbers stand in bodies: addresses are logged."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ingest.catalogue import Scope
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller
from ingest.optouts.domain import Action, Said, Stop
from ingest.optouts.service import OptOuts
from ingest.requests.openapi import SECURED, problems

Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
Admin = Annotated[Caller, Depends(current_caller(Scope.ADMIN))]
Written = Annotated[str, Field(min_length=1, max_length=40, examples=["+1 201 555 0123"])]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class SaidOfNumber(BaseModel):
    """A number, and what is to hold for it."""

    model_config = ConfigDict(extra="forbid")

    number: Written
    """International form: + or 00, country code, number."""
    kind: Literal["opt-out", "blacklist"] = "opt-out"
    """An opt-out lets verification codes through; a blacklist nothing."""
    reason: Annotated[str, Field(max_length=200)] = ""


class NumberAsked(BaseModel):
    """A number that is asked about."""

    model_config = ConfigDict(extra="forbid")

    number: Written


class SaidShown(BaseModel):
    """One thing that was said of a number."""

    action: Action
    by: str
    at: AwareDatetime
    reason: str


class StopShown(BaseModel):
    """What holds for a number."""

    number: str
    opted_out: bool
    blacklisted: bool


class NumberShown(StopShown):
    """What holds for a number, and what was said of it."""

    history: list[SaidShown]


class StopListed(StopShown):
    """What holds for a number since when."""

    changed_at: AwareDatetime


class StopList(BaseModel):
    """Numbers by the time of their last change. For the next page: ``since`` = the last one's."""

    numbers: list[StopListed]


def make_router(opt_outs: OptOuts) -> APIRouter:
    """Make the routes. An operator who names no account speaks for all accounts."""
    router = APIRouter(prefix="/v1/opt-outs", tags=["opt-outs"])

    async def add_opt_out(caller: Admin, said: SaidOfNumber) -> StopShown:
        """Send nothing more to a number, from now on everywhere."""
        action = Action.OPT_OUT if said.kind == "opt-out" else Action.BLACKLIST
        return _shown(await opt_outs.say(caller, action, said.number, said.reason))

    async def remove_opt_out(caller: Admin, said: SaidOfNumber) -> StopShown:
        """Send to a number again. What a recipient's reply stopped, only a reply or an operator."""
        action = Action.OPT_IN if said.kind == "opt-out" else Action.CLEAR
        return _shown(await opt_outs.say(caller, action, said.number, said.reason))

    async def find_opt_out(caller: Reader, asked: NumberAsked) -> NumberShown:
        """Show what holds for a number, and what was said of it."""
        stop, history = await opt_outs.show(caller, asked.number)
        return NumberShown(**_shown(stop).model_dump(), history=[_said(said) for said in history])

    async def list_opt_outs(
        caller: Reader,
        since: Annotated[AwareDatetime, Query(description="Changes from then on.")] = LONG_AGO,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> StopList:
        """List numbers that something was said of, the oldest change first."""
        found = await opt_outs.listed(caller, since, limit)
        return StopList(
            numbers=[
                StopListed(**_shown(stop).model_dump(), changed_at=changed_at)
                for stop, changed_at in found
            ]
        )

    def post(path: str, work: Any, summary: str, status: int = 200) -> None:  # noqa: ANN401 - any route
        router.add_api_route(
            path,
            work,
            methods=["POST"],
            status_code=status,
            summary=summary,
            responses=problems(400, 401, 403, 409, 413, 422, 500, 503),
            openapi_extra=SECURED,
        )

    post("", add_opt_out, "Opt a number out", 201)
    post("/remove", remove_opt_out, "Opt a number in")
    post("/find", find_opt_out, "Ask about a number")
    router.add_api_route(
        "",
        list_opt_outs,
        methods=["GET"],
        summary="List numbers",
        responses=problems(401, 403, 422, 500, 503),
        openapi_extra=SECURED,
    )
    return router


def _shown(stop: Stop) -> StopShown:
    return StopShown(
        number=stop.number, opted_out=stop.is_opted_out, blacklisted=stop.is_blacklisted
    )


def _said(said: Said) -> SaidShown:
    return SaidShown(action=said.action, by=said.by, at=said.at, reason=said.reason)
