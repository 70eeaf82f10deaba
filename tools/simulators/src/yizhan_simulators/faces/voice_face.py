"""The voice providers over HTTP: POST /{provider}/calls, one call at a time."""

import asyncio
import logging
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from yizhan_simulators.draws import Answer
from yizhan_simulators.faces.carrier_face import Url
from yizhan_simulators.faces.wire import (
    Silence,
    answer,
    hang_up,
    invalid,
    is_let_in,
    not_let_in,
    party,
)
from yizhan_simulators.named import Named
from yizhan_simulators.revision import problems_of
from yizhan_simulators.voice.calls import CallOrder, CallReport
from yizhan_simulators.voice.provider import CallTaking, Provider
from yizhan_simulators.webhooks import Courier

log = logging.getLogger(__name__)


class _Call(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ref: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    to: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
    language: Annotated[str, StringConstraints(min_length=2, max_length=35)]
    script: Annotated[str, StringConstraints(min_length=1, max_length=5000)]
    callback: Url


class VoiceFace:
    """Reads orders, lets the provider decide, and answers or not, as it says."""

    def __init__(
        self, providers: Named[Provider], reports: Courier[CallReport], silence: Silence
    ) -> None:
        self._providers = providers
        self._reports = reports
        self._silence = silence

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/{name}/calls", self.order)]

    async def order(self, request: web.Request) -> web.StreamResponse:
        provider = party(self._providers, request)
        if provider.behaviour.down:
            return hang_up(request)
        if not is_let_in(request, provider.behaviour.secret):
            provider.count("unauthorised")
            return not_let_in()
        try:
            call = _Call.model_validate_json(await request.read())
        except ValidationError as error:
            provider.count("invalid")
            problems = problems_of(error)
            return invalid(problems, taken=False, code="invalid", detail="not a valid order")
        order = CallOrder(call.ref, call.to, call.language, call.script, call.callback)
        try:
            taking = provider.take(order)
        except OSError:
            log.exception("a call could not be recorded", extra={"provider": provider.name})
            return answer({"taken": False}, 500)
        return await self._tell(request, taking)

    async def _tell(self, request: web.Request, taking: CallTaking) -> web.StreamResponse:
        if taking.early:
            await self._reports.send_now(taking.early)
        if taking.answer is Answer.LOST:
            return await self._silence.lose(request, taking.lose_by)
        if taking.latency_s:
            await asyncio.sleep(taking.latency_s)
        if taking.answer is Answer.FAILED:
            return answer({"taken": False}, taking.error_status)
        if taking.is_refused:
            return answer({"code": taking.code, "detail": taking.detail}, 422)
        return answer({"id": taking.call_id}, 202)
