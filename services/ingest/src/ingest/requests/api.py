"""The HTTP API: bytes to a request, a message to an answer. No decisions here."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Request, Response
from pydantic import ValidationError

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Authenticator, Caller
from ingest.keys.guard import caller_of
from ingest.keys.signing import SCHEME
from ingest.metrics import IngestMetrics
from ingest.requests import openapi
from ingest.requests.edge import Edge
from ingest.requests.problems import add_problem_handlers, invalid
from ingest.requests.service import AcceptRequests
from ingest.requests.wire import Accepted, SendRequest
from yizhan_contracts.events import MessageAccepted
from yizhan_contracts.ids import is_message_id
from yizhan_runtime.clock import Clock
from yizhan_telecom.segments import segments

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_JSON = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)
_validate = SendRequest.__pydantic_validator__.validate_json
_to_json = Accepted.__pydantic_serializer__.to_json


class Api:
    """The routes, and what they share."""

    def __init__(
        self,
        authenticator: Authenticator,
        requests: AcceptRequests,
        metrics: IngestMetrics,
        clock: Clock,
        max_body_bytes: int,
    ) -> None:
        self._authenticator = authenticator
        self._requests = requests
        self._metrics = metrics
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    def mount(self, app: FastAPI) -> None:
        """Add the routes, make every error a problem, and say so in the OpenAPI document."""
        router = APIRouter(prefix="/v1/messages", tags=["messages"])
        router.add_api_route(
            "",
            self.send,
            methods=["POST"],
            status_code=202,
            summary="Send one message",
            response_model=Accepted,
            responses=openapi.problems(400, 401, 403, 409, 413, 415, 422, 500, 503),
            openapi_extra=openapi.SEND,
        )
        router.add_api_route(
            "/{message_id}",
            self.show,
            methods=["GET"],
            summary="Show a message that was accepted",
            response_model=Accepted,
            responses=openapi.problems(401, 403, 404, 500, 503),
            openapi_extra=openapi.SHOW,
        )
        app.include_router(router)
        app.state.authenticator = self._authenticator
        add_problem_handlers(app)
        app.add_middleware(
            Edge, metrics=self._metrics, clock=self._clock, max_body_bytes=self._max_body_bytes
        )
        openapi.complete(app)

    async def send(self, request: Request) -> Response:
        """Accept one message. Repeat with the same Idempotency-Key: it is sent once."""
        body = await request.body()
        caller = caller_of(request, body)
        caller.must_have(Scope.SEND)
        key = _idempotency_key(request, caller)
        if not _JSON.fullmatch(request.headers.get("content-type", "application/json").strip()):
            raise RequestRefused.of(415, Code.MEDIA_TYPE_UNSUPPORTED, "Content-Type")
        return _answer(HTTPStatus.ACCEPTED, await self._requests.accept(caller, _parse(body), key))

    async def show(
        self, request: Request, message_id: Annotated[str, Path(description="As the 202 gave it.")]
    ) -> Response:
        """Show what was accepted, at once after the 202. What became of it, receipts knows."""
        caller = caller_of(request, b"")
        caller.must_have(Scope.READ)
        if not is_message_id(message_id):
            raise RequestRefused.of(404, Code.MESSAGE_NOT_FOUND, "message_id")
        return _answer(HTTPStatus.OK, await self._requests.find(caller, message_id))


def _idempotency_key(request: Request, caller: Caller) -> str | None:
    """Give the key that the request names; a signed one without a key is its own."""
    key = request.headers.get("idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise RequestRefused.of(400, Code.IDEMPOTENCY_KEY_INVALID, "Idempotency-Key")
    return key or (f"{SCHEME}:{caller.signature}" if caller.signature else None)


def _parse(body: bytes) -> SendRequest:
    try:
        request: SendRequest = _validate(body)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise invalid(problems) from None
    return request


def _answer(status: HTTPStatus, message: MessageAccepted) -> Response:
    accepted = Accepted(
        message_id=message.message_id,
        reference=message.reference,
        country=message.country,
        charging_num=message.charging_num,
        segments=segments(message.text),
        accepted_at=message.accepted_at,
        valid_until=message.valid_until,
    )
    location = {"Location": f"/v1/messages/{message.message_id}"}
    headers = location if status is HTTPStatus.ACCEPTED else None
    return Response(_to_json(accepted), status, headers, "application/json")
