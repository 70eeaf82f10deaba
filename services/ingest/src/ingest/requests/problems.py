"""Errors on the wire: RFC 9457 problem details, one shape for all of them."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_BY_STATUS = {
    404: Code.ROUTE_NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
}


def to_response(error: RequestRefused) -> Response:
    """Write a refusal as a problem."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(_body(error.status, error.refusals), ensure_ascii=False).encode()
    return Response(body, error.status, headers, MEDIA_TYPE)


def _body(status: int, refusals: Sequence[Refusal]) -> dict[str, object]:
    first = refusals[0]
    return {
        "type": f"urn:yizhan:problem:{first.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        **_item(first),
        "errors": [_item(refusal) for refusal in refusals],
    }


def _item(refusal: Refusal) -> dict[str, object]:
    return {
        "detail": refusal.detail or refusal.what_to_do,
        "code": refusal.code,
        "field": refusal.field,
        "what_to_do": refusal.what_to_do,
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Make problems of the framework's errors too: addresses, methods, our own mistakes."""

    async def on_http(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = _BY_STATUS.get(error.status_code, Code.FIELD_INVALID)
        response = to_response(RequestRefused.of(error.status_code, code))
        response.headers.update(error.headers or {})
        return response

    async def on_bug(_request: Request, error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return to_response(RequestRefused.of(500, Code.INTERNAL))

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)
