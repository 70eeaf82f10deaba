"""Around all routes: no body larger than allowed, and every request counted and timed.

Plain ASGI: a middleware of Starlette's would cost a task per request. Requests that send go
straight to their function: FastAPI's own way there took a third of the CPU of one.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.metrics import IngestMetrics
from ingest.requests.problems import REFUSED, answer
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable

Endpoint = Callable[[Request], Awaitable[Response]]
_ROUTE = "yizhan.route"


class Edge:
    """Wraps the application. Bodies are counted as they arrive, whatever their header says."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: IngestMetrics,
        clock: Clock,
        max_body_bytes: int,
        larger: Mapping[str, int] = MappingProxyType({}),
        straight: Mapping[tuple[str, str], Endpoint] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._larger = larger
        self._straight = straight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, taken = self._clock.monotonic(), 500, 0
        limit = self._larger.get(scope["path"], self._max_body_bytes)

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise too_large(limit)
            return message

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        endpoint = self._straight.get((scope["method"], scope["path"]))
        try:
            if endpoint is None:
                await self._app(scope, limited, noting)
            else:
                await _serve(endpoint, scope, limited, noting)
        finally:
            self._count(scope, status, self._clock.monotonic() - begun)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        if code := scope.get(REFUSED):
            self._metrics.record_refusal(code)
        if route := scope.get(_ROUTE) or _name_of(scope.get("route")):
            self._metrics.record_request(route, status, seconds)


async def _serve(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    """Do what FastAPI would do for a route without parameters."""
    scope[_ROUTE] = endpoint.__name__
    request = Request(scope, receive)
    try:
        response = await endpoint(request)
    except ClientDisconnect:
        return
    except (RequestRefused, Retryable) as error:
        response = answer(request, error)
    await response(scope, receive, send)


def too_large(limit: int) -> RequestRefused:
    """Refuse a body."""
    return RequestRefused.of(413, Code.BODY_TOO_LARGE, detail=f"Over {limit} bytes.")


def _name_of(route: BaseRoute | None) -> str:
    """Give a bounded label: the function's name, of the routes that are documented."""
    return str(getattr(route, "name", "")) if getattr(route, "include_in_schema", False) else ""
