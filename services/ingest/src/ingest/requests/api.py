"""The HTTP API: what comes to a request, what was accepted to an answer. No decisions here."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Path, Request, Response
from pydantic import BaseModel, ValidationError

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Authenticator, Caller
from ingest.keys.guard import authenticator_of, caller_of
from ingest.keys.signing import SCHEME
from ingest.limits.throttle import Throttle
from ingest.metrics import IngestMetrics
from ingest.requests import openapi
from ingest.requests.edge import Edge
from ingest.requests.formats import ANSWERS_XML, Format, negotiate, read_xml, write_xml
from ingest.requests.many import AcceptMany, Row
from ingest.requests.problems import add_problem_handlers, invalid, item_of
from ingest.requests.query import read_query
from ingest.requests.service import AcceptRequests
from ingest.requests.wire import Accepted, SendMany, SendRequest
from yizhan_contracts.events import MessageAccepted
from yizhan_contracts.ids import is_message_id
from yizhan_runtime.clock import Clock
from yizhan_telecom.segments import segments

MANY = "/v1/messages/many"

M = TypeVar("M", bound=BaseModel)

_ROOTS: dict[type[BaseModel], str] = {SendRequest: "message", SendMany: "messages"}
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_to_json = Accepted.__pydantic_serializer__.to_json
_to_fields = Accepted.__pydantic_serializer__.to_python


@dataclass(frozen=True, slots=True)
class BodySizes:
    """How many bytes a body may have."""

    single: int = 65_536
    many: int = 2_097_152


class Api:
    """The routes, and what they share."""

    def __init__(
        self,
        authenticator: Authenticator,
        requests: AcceptRequests,
        many: AcceptMany,
        metrics: IngestMetrics,
        clock: Clock,
        sizes: BodySizes,
        throttle: Throttle,
    ) -> None:
        self._authenticator = authenticator
        self._requests = requests
        self._many = many
        self._metrics = metrics
        self._clock = clock
        self._sizes = sizes
        self._throttle = throttle

    def mount(self, app: FastAPI) -> None:
        """Add the routes, make every error a problem, and say so in the OpenAPI document."""
        app.include_router(self._router())
        app.state.authenticator = self._authenticator
        add_problem_handlers(app)
        app.add_middleware(
            Edge,
            metrics=self._metrics,
            clock=self._clock,
            max_body_bytes=self._sizes.single,
            larger={MANY: self._sizes.many},
            straight={("POST", "/v1/messages"): self.send, ("POST", MANY): self.send_many},
        )
        openapi.complete(app)

    def _router(self) -> APIRouter:
        router = APIRouter(tags=["messages"])

        def add(path: str, method: str, work: Any, said: openapi.Said) -> None:  # noqa: ANN401 - any route
            router.add_api_route(
                path,
                work,
                methods=[method],
                status_code=said.status,
                summary=said.summary,
                responses=said.responses,
                openapi_extra=said.extra,
                response_class=Response,
                response_model=None,
            )

        add("/v1/messages", "POST", self.send, openapi.SEND)
        add(MANY, "POST", self.send_many, openapi.SEND_MANY)
        add("/v1/messages/{message_id}", "GET", self.show, openapi.SHOW)
        add("/v1/send", "GET", self.send_by_query, openapi.SEND_BY_QUERY)
        return router

    async def send(self, request: Request) -> Response:
        """Accept one message. Repeat with the same Idempotency-Key: it is sent once."""
        body, written = await request.body(), negotiate(request)
        caller, key = self._sender(request, body)
        asked = _parse(SendRequest, body, written)
        return _accepted(request, await self._requests.accept(caller, asked, key))

    async def send_many(self, request: Request) -> Response:
        """Accept up to 1,000 messages, each by itself: one that is wrong affects no other."""
        body, written = await request.body(), negotiate(request)
        caller, key = self._sender(request, body)
        asked = _parse(SendMany, body, written)
        answer = await self._many.accept(caller, asked, key, _answered)
        if request.scope[ANSWERS_XML]:
            return _xml(HTTPStatus.ACCEPTED, "answered", json.loads(answer))
        return Response(answer, HTTPStatus.ACCEPTED, media_type=Format.JSON.value)

    def _sender(self, request: Request, body: bytes) -> tuple[Caller, str | None]:
        caller = caller_of(request, body)
        self._may_send(caller)
        return caller, _idempotency_key(request, caller, None)

    def _may_send(self, caller: Caller) -> None:
        caller.must_have(Scope.SEND)
        self._throttle.take(caller.account)

    async def send_by_query(self, request: Request) -> Response:
        """Accept one message from a query, for systems that can do no more than GET."""
        negotiate(request)
        query = read_query(request.scope["query_string"])
        if query.key or query.secret:
            caller = authenticator_of(request).by_secret(query.key, query.secret)
        else:
            caller = caller_of(request, b"")
        self._may_send(caller)
        key = _idempotency_key(request, caller, query.idempotency_key)
        asked = _validated(SendRequest, query.fields)
        response = _accepted(request, await self._requests.accept(caller, asked, key))
        response.headers["Cache-Control"] = "no-store"
        return response

    async def show(
        self, request: Request, message_id: Annotated[str, Path(description="As the 202 gave it.")]
    ) -> Response:
        """Show what was accepted, at once after the 202. What became of it, receipts knows."""
        negotiate(request)
        caller = caller_of(request, b"")
        caller.must_have(Scope.READ)
        if not is_message_id(message_id):
            raise RequestRefused.of(404, Code.MESSAGE_NOT_FOUND, "message_id")
        found = _shown(await self._requests.find(caller, message_id))
        return _written(request, HTTPStatus.OK, found)


def _idempotency_key(request: Request, caller: Caller, key: str | None) -> str | None:
    """Give the key that the request names; a signed one without a key is its own."""
    key = key if key is not None else request.headers.get("idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise RequestRefused.of(400, Code.IDEMPOTENCY_KEY_INVALID, "Idempotency-Key")
    return key or (f"{SCHEME}:{caller.signature}" if caller.signature else None)


def _parse(model: type[M], body: bytes, written: Format) -> M:
    if written is Format.XML:
        return _validated(model, read_xml(body, _ROOTS[model]))
    try:
        parsed: M = model.__pydantic_validator__.validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None
    return parsed


def _validated(model: type[M], fields: dict[str, Any]) -> M:
    try:
        parsed: M = model.__pydantic_validator__.validate_python(fields)
    except ValidationError as error:
        raise _invalid(error) from None
    return parsed


def _invalid(error: ValidationError) -> RequestRefused:
    return invalid(error.errors(include_input=False, include_url=False, include_context=False))


def _accepted(request: Request, message: MessageAccepted) -> Response:
    response = _written(request, HTTPStatus.ACCEPTED, _shown(message))
    response.headers["Location"] = f"/v1/messages/{message.message_id}"
    return response


def _written(request: Request, status: HTTPStatus, accepted: Accepted) -> Response:
    if request.scope[ANSWERS_XML]:
        return _xml(status, "accepted", _to_fields(accepted, mode="json"))
    return Response(_to_json(accepted), status, media_type=Format.JSON.value)


def _xml(status: HTTPStatus, root: str, fields: dict[str, Any]) -> Response:
    return Response(write_xml(root, fields), status, media_type=Format.XML.value)


def _shown(message: MessageAccepted) -> Accepted:
    return Accepted.model_construct(  # from a message that was validated
        message_id=message.message_id,
        reference=message.reference,
        country=message.country,
        charging_num=message.charging_num,
        segments=segments(message.text),
        accepted_at=message.accepted_at,
        valid_until=message.valid_until,
    )


def _answered(many: SendMany, batch_id: str, rows: Sequence[Row]) -> bytes:
    messages = [_row(index, row, many.recipients[index]) for index, row in enumerate(rows)]
    accepted = sum(isinstance(row, MessageAccepted) for row in rows)
    answer = {
        "batch_id": batch_id,
        "accepted": accepted,
        "refused": len(rows) - accepted,
        "messages": messages,
    }
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def _row(index: int, row: Row, recipient: object) -> dict[str, Any]:
    if isinstance(row, MessageAccepted):
        return {"index": index, **_to_fields(_shown(row), mode="json")}
    reference = recipient.get("reference") if isinstance(recipient, dict) else ""
    return {
        "index": index,
        "status": "refused",
        "reference": reference[:200] if isinstance(reference, str) else "",
        **item_of(row.refusals[0]),
        "errors": [item_of(refusal) for refusal in row.refusals],
    }
