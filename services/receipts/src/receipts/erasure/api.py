"""/v1/erasures: ask for one, and read its proof."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from receipts.access import Access
from receipts.api import or_unavailable
from receipts.erasure.domain import Subject
from receipts.erasure.proof import proof_of
from receipts.erasure.service import Erasures
from yizhan_runtime.tokens import Holder

ADMIN: Final = "admin"
"""The scope that an account's own erasures need."""
ErasureId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]


class Wanted(BaseModel):
    """Who: a number (E.164), with one account or with all; or all whom an account wrote to."""

    model_config = ConfigDict(extra="forbid")

    account_id: str = Field(default="", max_length=200)
    phone: str = Field(default="", pattern=r"^(\+[1-9][0-9]{6,14})?$")


def make_erasures_router(erasures: Erasures, access: Access) -> APIRouter:
    """Make the routes: an account's own with the scope ``admin``, any for operators."""
    router = APIRouter()
    Reader = Annotated[Holder, Depends(access.reader)]  # noqa: N806 - a type

    @router.post("/v1/erasures", status_code=202)
    async def begin(wanted: Wanted, holder: Reader) -> dict[str, Any]:
        """Begin an erasure. The same again, while it is not done, is that one."""
        if not wanted.phone and not wanted.account_id:
            raise HTTPException(422, "name a phone (E.164), an account_id, or both")
        _require(holder, wanted.account_id)
        if not erasures.has_key:
            raise HTTPException(
                503, "set YIZHAN_RECEIPTS_ERASURE_KEY: without it there would be no proof"
            )
        asked_by = "operator" if holder.is_operator else holder.account_id
        subject = Subject(wanted.account_id, wanted.phone)
        return proof_of(await or_unavailable(erasures.begin(subject, asked_by)))

    @router.get("/v1/erasures/{erasure_id}")
    async def proof(erasure_id: ErasureId, holder: Reader) -> dict[str, Any]:
        """Give the proof, as far as it is."""
        found = await or_unavailable(erasures.load(erasure_id))
        if found is None or not holder.may_read(found.subject.account_id):
            raise HTTPException(404, "no such erasure")
        return proof_of(found)

    return router


def _require(holder: Holder, account_id: str) -> None:
    if not holder.may_read(account_id):
        raise HTTPException(403, "name the account that this token is of")
    if not holder.is_operator and ADMIN not in holder.scopes:
        raise HTTPException(403, f"this token has no scope {ADMIN}: ask ingest for one that has")
