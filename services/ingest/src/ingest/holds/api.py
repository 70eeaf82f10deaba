"""Routes to holds."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from ingest.catalogue import Scope
from ingest.holds.service import ManageHolds
from ingest.holds.store import Held
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller
from ingest.requests.openapi import SECURED, problems
from yizhan_contracts.events import HoldKind

Admin = Annotated[Caller, Depends(current_caller(Scope.ADMIN))]
Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
_VISIBLE = r"^[^\x00-\x1f\x7f]+$"
HeldId = Annotated[str, Path(min_length=1, max_length=200, pattern=_VISIBLE)]
Kind = Literal["account", "template", "batch", "shipment", "channel"]


class NewHold(BaseModel):
    """What is to be stopped, and what becomes of it."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    id: Annotated[str, Field(min_length=1, max_length=200, pattern=_VISIBLE)]
    cancel: StrictBool = False
    """What is stopped settles as cancelled instead of waiting until it is resumed."""
    reason: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class HoldShown(BaseModel):
    """A hold."""

    kind: Kind
    id: str
    account_id: str
    """Whose template, batch or shipment it is; empty for everybody's, accounts and channels."""
    held: bool
    cancel: bool
    reason: str
    by: str
    changed_at: AwareDatetime


class HoldList(BaseModel):
    """What is stopped."""

    holds: list[HoldShown]


def make_router(manage: ManageHolds) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/holds", tags=["holds"])

    async def stop(caller: Admin, wanted: NewHold) -> HoldShown:
        """Stop an account, template, batch, shipment or, as an operator, a channel: within 2 s."""
        kind = HoldKind(wanted.kind)
        return _shown(
            await manage.stop(caller, kind, wanted.id, wanted.reason, cancel=wanted.cancel)
        )

    async def list_holds(caller: Reader) -> HoldList:
        """List what is stopped of the account; for an operator who names none, everything."""
        return HoldList(holds=[_shown(one) for one in manage.listed(caller)])

    async def resume(caller: Admin, kind: Kind, held_id: HeldId) -> HoldShown:
        """Let it go on."""
        return _shown(await manage.resume(caller, HoldKind(kind), held_id))

    def add(path: str, method: str, work: Any, summary: str, *refused: int) -> None:  # noqa: ANN401 - any route
        router.add_api_route(
            path,
            work,
            methods=[method],
            summary=summary,
            responses=problems(400, 401, 403, 413, 422, *refused, 500, 503),
            openapi_extra=SECURED,
        )

    add("", "POST", stop, "Stop something")
    add("", "GET", list_holds, "List what is stopped")
    add("/{kind}/{held_id:path}", "DELETE", resume, "Resume something", 404)
    return router


def _shown(held: Held) -> HoldShown:
    hold = held.hold
    return HoldShown(
        kind=hold.kind.value,
        id=hold.held_id,
        account_id=hold.account_id,
        held=hold.held,
        cancel=hold.cancel,
        reason=hold.reason,
        by=held.by,
        changed_at=hold.changed_at,
    )
