"""The carriers over HTTP: POST /{carrier}/messages, 1 to 100 messages at a time."""

import asyncio
import logging
from typing import Annotated, NotRequired

from aiohttp import web
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.handed import Receipt, Submission
from yizhan_simulators.carriers.verdicts import Status, Taking, Verdict
from yizhan_simulators.draws import Answer
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
from yizhan_simulators.revision import Problem, problems_of
from yizhan_simulators.webhooks import Courier

log = logging.getLogger(__name__)

MOST_MESSAGES = 100

_STRICT = ConfigDict(strict=True, extra="forbid")
Url = Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2000)]


class _Template(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    values: list[Annotated[str, StringConstraints(max_length=200)]]


# Dictionaries and not models: 50 messages are validated in 60 us instead of 110.
_Message = TypedDict(
    "_Message",
    {
        "ref": Annotated[str, StringConstraints(min_length=1, max_length=128)],
        "to": Annotated[str, StringConstraints(max_length=32)],
        "from": Annotated[str, StringConstraints(max_length=32)],
        "text": Annotated[str, StringConstraints(max_length=5000)],
        "validity_s": Annotated[float, Field(ge=0)],
        "callback": Url,
        "template": NotRequired[_Template],
    },
)
_Message.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]


class _Submit(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]
    messages: Annotated[list[_Message], Field(max_length=MOST_MESSAGES)]


_SUBMIT = TypeAdapter(_Submit)
_EMPTY = Problem("messages", "no message in it", f"send 1 to {MOST_MESSAGES}")


class CarrierFace:
    """Reads submits, lets the carrier decide, and answers or not, as it says."""

    def __init__(
        self, carriers: Named[Carrier], receipts: Courier[Receipt], silence: Silence
    ) -> None:
        self._carriers = carriers
        self._receipts = receipts
        self._silence = silence

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/{name}/messages", self.submit)]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        carrier = party(self._carriers, request)
        if carrier.behaviour.down:
            return hang_up(request)
        body = await request.read()
        try:
            decided = _decide(request, carrier, body)
        except OSError:
            log.exception("a submit could not be recorded", extra={"carrier": carrier.name})
            return answer({"taken": False}, 500)
        return await self._tell(request, decided) if isinstance(decided, Taking) else decided

    async def _tell(self, request: web.Request, taking: Taking) -> web.StreamResponse:
        if taking.early:
            await self._receipts.send_now(taking.early)
        if taking.answer is Answer.LOST:
            return await self._silence.lose(request, taking.lose_by)
        if taking.latency_s:
            await asyncio.sleep(taking.latency_s)
        if taking.answer is Answer.FAILED:
            return answer({"taken": False}, taking.error_status)
        if taking.answer is Answer.THROTTLED:
            return answer({"taken": False}, 429, **{"Retry-After": str(taking.retry_after_s)})
        return answer({"results": [_result(verdict) for verdict in taking.verdicts]})


def _decide(request: web.Request, carrier: Carrier, body: bytes) -> Taking | web.Response:
    if not is_let_in(request, carrier.behaviour.secret):
        return carrier.turn_away("unauthorised") or not_let_in()
    try:
        submissions = _parse(body)
    except ValidationError as error:
        return carrier.turn_away("invalid") or invalid(problems_of(error), taken=False)
    if not submissions:
        return carrier.turn_away("probes") or invalid([_EMPTY], taken=False)
    return carrier.take(submissions)


def _parse(body: bytes) -> list[Submission]:
    return [
        Submission(
            message["ref"],
            message["to"],
            message["from"],
            message["text"],
            message["validity_s"],
            message["callback"],
        )
        for message in _SUBMIT.validate_json(body)["messages"]
    ]


def _result(verdict: Verdict) -> dict[str, str]:
    if verdict.status is Status.ACCEPTED:
        return {"ref": verdict.ref, "status": "accepted", "id": verdict.carrier_message_id}
    if verdict.status is Status.REFUSED:
        return {
            "ref": verdict.ref,
            "status": "refused",
            "code": verdict.code,
            "detail": verdict.detail,
        }
    return {"ref": verdict.ref, "status": "throttled"}
