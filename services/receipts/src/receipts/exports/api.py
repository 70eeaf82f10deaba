"""/v1/exports: begin one, see how far it is, read its file, cancel it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Header, HTTPException, Path
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from receipts.access import Access
from receipts.api import or_unavailable
from receipts.exports.domain import Export, ExportQuery, Format, Shown, State, key_of
from receipts.exports.service import Exports
from yizhan_runtime import Clock, get_logger
from yizhan_runtime.tokens import PERSONAL, Holder

log = get_logger(__name__)

_MEDIA: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
ExportId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]


class Wanted(BaseModel):
    """What is asked for. Without ``until``: all until now. A zone is an IANA name."""

    model_config = ConfigDict(extra="forbid")

    account_id: str
    since: AwareDatetime
    until: AwareDatetime | None = None
    format: Format = Format.CSV
    personal: bool = False
    text: bool = False
    zone: str = Field(default="", max_length=64)
    status: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    lane: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    batch: str = ""
    reference: str = ""

    def query(self, now: datetime) -> ExportQuery:
        """Give the query, until now at the latest. Raises ValidationError."""
        shown = {*Shown.model_fields, "until", "since"}
        until = min(self.until or now, now)
        return ExportQuery(
            since=self.since.astimezone(UTC),
            until=until.astimezone(UTC),
            **self.model_dump(exclude=shown),
        )

    def shown(self) -> Shown:
        return Shown(format=self.format, personal=self.personal, text=self.text, zone=self.zone)


def make_exports_router(exports: Exports, access: Access, clock: Clock) -> APIRouter:
    """Make the routes: an account's own with a token of ingest's, any for operators."""
    router = APIRouter()
    Reader = Annotated[Holder, Depends(access.reader)]  # noqa: N806 - a type

    @router.post("/v1/exports", status_code=202)
    async def begin(
        wanted: Wanted,
        holder: Reader,
        idempotency_key: Annotated[str, Header(max_length=200)] = "",
    ) -> dict[str, Any]:
        """Begin an export. The same again (by Idempotency-Key, else by what it asks) is one."""
        _require_own(holder, wanted.account_id)
        _require_personal(holder, is_asked=wanted.personal or wanted.text)
        query, now = _checked(wanted, clock.now()), clock.now()
        if query.since >= query.until:
            raise HTTPException(422, f"since must be before until, and before now ({now:%FT%TZ})")
        told = (idempotency_key,) if idempotency_key else ("", wanted.model_dump_json())
        key = key_of(holder.account_id, wanted.account_id, told)
        begun = await or_unavailable(
            exports.begin(query, wanted.shown(), key, key_stays=bool(idempotency_key))
        )
        _audit(begun, holder)
        return _told(begun)

    @router.get("/v1/exports")
    async def listed(account_id: str, holder: Reader) -> dict[str, Any]:
        """List an account's exports, newest first."""
        _require_own(holder, account_id)
        found = await or_unavailable(exports.list_of(account_id))
        return {"exports": [_told(one) for one in found]}

    @router.get("/v1/exports/{export_id}")
    async def one(export_id: ExportId, holder: Reader) -> dict[str, Any]:
        """Say how far an export is."""
        return _told(await _own(exports, export_id, holder))

    @router.delete("/v1/exports/{export_id}")
    async def cancel(export_id: ExportId, holder: Reader) -> dict[str, Any]:
        """Cancel it, or remove its file."""
        await _own(exports, export_id, holder)
        cancelled = await or_unavailable(exports.cancel(export_id))
        if cancelled is None:
            raise _no_such()
        return _told(cancelled)

    @router.get("/v1/exports/{export_id}/file")
    async def file(export_id: ExportId, holder: Reader) -> StreamingResponse:
        """Read the file of one that is done."""
        export = await _own(exports, export_id, holder)
        _require_personal(holder, is_asked=export.shown.personal or export.shown.text)
        if export.state is State.RUNNING:
            raise HTTPException(409, "it is not done yet: ask for its state", {"Retry-After": "5"})
        if export.state is not State.DONE:
            raise HTTPException(410, f"it is {export.state}: there is no file")
        named = {"Content-Disposition": f'attachment; filename="{_file_name(export)}"'}
        media = _MEDIA[export.shown.format]
        return StreamingResponse(exports.file(export), media_type=media, headers=named)

    return router


def _audit(export: Export, holder: Holder) -> None:
    """Log who exports personal data: never whose."""
    if export.shown.personal or export.shown.text:
        by = "operator" if holder.is_operator else holder.account_id
        told = {"export_id": export.export_id, "by": by, "account_id": export.query.account_id}
        log.info("an export shows personal data", extra=told)


async def _own(exports: Exports, export_id: str, holder: Holder) -> Export:
    export = await or_unavailable(exports.load(export_id))
    if export is None or not holder.may_read(export.query.account_id):
        raise _no_such()
    return export


def _no_such() -> HTTPException:
    return HTTPException(404, "no such export: it may have expired")


def _require_own(holder: Holder, account_id: str) -> None:
    if not holder.may_read(account_id):
        raise HTTPException(403, "this token is of another account")


def _require_personal(holder: Holder, *, is_asked: bool) -> None:
    if is_asked and not holder.may_see_personal:
        raise HTTPException(
            403, f"whole numbers and texts need a token with the scope {PERSONAL}: ask ingest"
        )


def _checked(wanted: Wanted, now: datetime) -> ExportQuery:
    if wanted.zone and wanted.zone not in available_timezones():
        raise HTTPException(422, "zone: an IANA name is wanted, such as Asia/Shanghai")
    try:
        return wanted.query(now)
    except ValidationError as error:
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise HTTPException(422, "; ".join(said)) from None


def _file_name(export: Export) -> str:
    account = _IN_A_NAME.sub("-", export.query.account_id)[:60]
    zone = ZoneInfo(export.shown.zone) if export.shown.zone else UTC
    days = (
        at.astimezone(zone).strftime("%Y%m%d") for at in (export.query.since, export.query.until)
    )
    return f"messages-{account}-{'-'.join(days)}.{export.shown.format}"


def _told(export: Export) -> dict[str, Any]:
    is_over = export.state is not State.RUNNING
    percent = 100 if is_over else min(99, 100 * export.scanned // max(export.estimated, 1))
    return {
        "export_id": export.export_id,
        "state": export.state,
        "rows": export.rows,
        "scanned": export.scanned,
        "estimated": export.estimated,
        "percent": percent,
        "parts": export.parts,
        "bytes_stored": export.size,
        "error": export.error,
        "created_at": export.created_at,
        "done_at": export.done_at,
        "expires_at": export.expires_at,
        "query": export.query.model_dump(),
        **export.shown.model_dump(),
    }
