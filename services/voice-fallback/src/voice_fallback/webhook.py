"""POST /v1/providers/{provider}/calls/{token}: what providers report of rings."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from voice_fallback.domain.story import RingResult, parse_ref
from voice_fallback.metrics import VoiceMetrics
from yizhan_contracts.events import CallOutcome
from yizhan_runtime.errors import Fatal, Retryable
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import describe

log = get_logger(__name__)

MOST_BYTES = 64 * 1024

OUTCOMES: dict[str, CallOutcome] = {
    "answered": CallOutcome.ANSWERED,
    "no-answer": CallOutcome.NO_ANSWER,
    "busy": CallOutcome.BUSY,
    "failed": CallOutcome.FAILED,
}
"""What a provider's outcome is to us; one that is new to us says nothing."""

Report = Callable[[RingResult], Awaitable[None]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=200)] = ""
    ref: Annotated[str, Field(max_length=200)]
    outcome: Annotated[str, Field(max_length=50)]
    code: Annotated[str, Field(max_length=50)] = ""
    at: AwareDatetime | None = None


class Webhook:
    """Answers 200 only when the result is stored: the provider repeats everything else."""

    def __init__(
        self,
        tokens: Mapping[str, str],
        report: Report,
        metrics: VoiceMetrics,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._tokens = tokens
        self._report = report
        self._metrics = metrics
        self._fail = fail

    def router(self) -> APIRouter:
        router = APIRouter(tags=["webhook"])
        router.add_api_route(
            "/v1/providers/{provider}/calls/{token}",
            self.on_report,
            methods=["POST"],
            response_model=None,
        )
        return router

    async def on_report(self, provider: str, token: str, request: Request) -> JSONResponse:
        """Take the report on one ring."""
        expected = self._tokens.get(provider, "")
        if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
            return self._refuse("", "unknown-address", 404, "no such webhook")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return self._refuse(provider, "too-large", 413, f"at most {MOST_BYTES} bytes")
        try:
            result = _read(bytes(body), provider)
        except ValueError as error:
            why = describe(error) if isinstance(error, ValidationError) else str(error)
            return self._refuse(provider, "bad-report", 422, why)
        return await self._take(result)

    async def _take(self, result: RingResult) -> JSONResponse:
        try:
            await self._report(result)
        except Fatal as error:
            self._fail(error)
            return self._refuse(result.provider, "broken", 503, "try again")
        except Retryable as error:
            log.warning("a report is not taken", extra={"ref": result.ref, "why": str(error)})
            return self._refuse(result.provider, "away", 503, "try again")
        self._metrics.reports.labels(result.provider, result.outcome.value).inc()
        return JSONResponse({"taken": True})

    def _refuse(self, provider: str, why: str, status: int, problem: str) -> JSONResponse:
        self._metrics.reports_refused.labels(provider, why).inc()
        return JSONResponse({"taken": False, "problem": problem}, status)


def _read(body: bytes, provider: str) -> RingResult:
    """Read a report. Raises ValueError, which never holds a value of it."""
    report = _Body.model_validate_json(body)
    parse_ref(report.ref)
    outcome = OUTCOMES.get(report.outcome.lower(), CallOutcome.UNKNOWN)
    at: datetime | None = report.at
    return RingResult(report.ref, provider, outcome, report.code, report.id, at)
