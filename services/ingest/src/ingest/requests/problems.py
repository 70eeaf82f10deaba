"""Errors on the wire: RFC 9457 problem details, one shape for all of them.

A route raises ``RequestRefused`` from wherever it finds what is wrong; the rest is done here.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from ingest.requests.formats import ANSWERS_XML, PROBLEM_NAMESPACE, write_xml
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
XML_MEDIA_TYPE = "application/problem+xml"
CHALLENGE = "Bearer, YIZHAN-HMAC-SHA256"
MAX_ERRORS = 20
_PARAMETER = re.compile(r"\{[^}]*\}")
_HEALTH = frozenset({"/live", "/ready", "/metrics"})
REFUSED = "yizhan.refused"
"""Where the ASGI scope tells the code of a refusal, to be counted."""
_BY_STATUS = {
    400: Code.JSON_MALFORMED,
    404: Code.ROUTE_NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
}
_NO_JSON = frozenset({"json_invalid", "model_type", "model_attributes_type", "missing"})
_AWAY_S = 5


def to_response(error: RequestRefused, *, xml: bool = False) -> Response:
    """Write a refusal as a problem."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    fields = body_of(error.status, error.refusals)
    if xml:
        written = write_xml("problem", fields, PROBLEM_NAMESPACE)
        return Response(written, error.status, headers, XML_MEDIA_TYPE)
    # A field's name may hold half of a character.
    text = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
    return Response(text, error.status, headers, MEDIA_TYPE)


def body_of(status: int, refusals: Sequence[Refusal]) -> dict[str, Any]:
    """Give what a problem says."""
    first = refusals[0]
    return {
        "type": f"urn:yizhan:problem:{first.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        **item_of(first),
        "errors": [item_of(refusal) for refusal in refusals],
    }


def item_of(refusal: Refusal) -> dict[str, Any]:
    """Give what one thing that is wrong says of itself."""
    return {
        "detail": refusal.detail or refusal.what_to_do,
        "code": refusal.code,
        "field": refusal.field,
        "what_to_do": refusal.what_to_do,
        **({} if refusal.offset is None else {"offset": refusal.offset}),
    }


def invalid(problems: Sequence[Any]) -> RequestRefused:
    """Translate pydantic's errors. They name fields; the values stay out of it."""
    first = problems[0]
    where = [step for step in first["loc"] if step != "body"]
    if (first["type"] in _NO_JSON and not where) or first["type"] == "json_invalid":
        return RequestRefused.of(400, Code.JSON_MALFORMED, detail=first["msg"][:200])
    return RequestRefused(422, [_invalid(problem) for problem in problems[:MAX_ERRORS]])


def _invalid(problem: Any) -> Refusal:  # noqa: ANN401 - pydantic's, or FastAPI's
    steps = problem["loc"]
    if len(steps) > 1 and steps[0] in {"body", "query", "path", "header"}:
        steps = steps[1:]
    return Refusal(Code.FIELD_INVALID, ".".join(map(str, steps))[:100], problem["msg"])


def add_problem_handlers(app: FastAPI) -> None:
    """Make a problem of every error: ours, the framework's, and our own mistakes."""

    def handle(kind: type[Exception], refuse: Callable[[Any], RequestRefused]) -> None:
        app.add_exception_handler(kind, _handler(refuse))

    async def on_http(request: Request, error: Any) -> Response:  # noqa: ANN401 - its handler
        response = _answer(request, _of_framework(error))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(_methods(app, request.url.path))
        return response

    handle(RequestRefused, lambda error: error)
    handle(RequestValidationError, lambda error: invalid(error.errors()))
    handle(Retryable, _away)
    handle(Exception, _bug)
    app.add_exception_handler(HTTPException, on_http)


def _handler(
    refuse: Callable[[Any], RequestRefused],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def on_error(request: Request, error: Exception) -> Response:
        return _answer(request, refuse(error))

    return on_error


def answer(request: Request, error: RequestRefused | Retryable) -> Response:
    """Answer what a route raised."""
    return _answer(request, error if isinstance(error, RequestRefused) else _away(error))


def _methods(app: FastAPI, path: str) -> list[str]:
    """Give all methods of an address: the router tells those of its first route only."""
    found = {"GET"} if path in _HEALTH else set[str]()
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(_PARAMETER.sub("[^/]+", template), path):
            found |= {method.upper() for method in operations}
    return sorted(found)


def _answer(request: Request, refused: RequestRefused) -> Response:
    request.scope[REFUSED] = refused.refusals[0].code
    return to_response(refused, xml=request.scope.get(ANSWERS_XML, False))


def _of_framework(error: HTTPException) -> RequestRefused:
    # FastAPI makes a 400 of whatever happens while it reads a body.
    if isinstance(error.__cause__, RequestRefused):
        return error.__cause__
    code = _BY_STATUS.get(error.status_code, Code.FIELD_INVALID)
    return RequestRefused.of(error.status_code, code)


def _away(error: Retryable) -> RequestRefused:
    log.warning("a request found a store away", extra={"why": str(error)})
    return RequestRefused(503, [Refusal(Code.UNAVAILABLE)], retry_after_s=_AWAY_S)


def _bug(error: Exception) -> RequestRefused:
    log.error("a request failed", exc_info=error)
    return RequestRefused.of(500, Code.INTERNAL)
