"""POST /v1/carriers/{channel}/{receipts|replies}/{token}: from carriers that speak HTTP."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carrier_adapter.receiving.taking import Problem, Taking
from yizhan_contracts.events import ChannelConfigured
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

MOST_RECEIPTS = 1_000
MOST_BYTES = 2 * 1024 * 1024

Find = Callable[[str], ChannelConfigured | None]
Token = Callable[[ChannelConfigured], str]
Take = Callable[[ChannelConfigured, list[Any]], Awaitable[tuple[int, list[Problem]]]]


class _Refusal(Exception):
    """An answer that is no 200."""

    def __init__(self, status: int, why: str, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.why = why
        self.problem = problem


class Webhook:
    """Answers 200 only when Kafka has what it takes: the carrier repeats everything else.

    At-least-once; receipts are idempotent downstream. A bad receipt is named in the answer and
    costs the others nothing: repeated, it would be as bad again.
    """

    def __init__(self, taking: Taking, find: Find, token_of: Token) -> None:
        self._taking = taking
        self._find = find
        self._token_of = token_of

    def routes(self) -> list[Route]:
        """Give the routes, in Starlette's own form: FastAPI's costs more than the receipts do."""
        return [
            Route("/v1/carriers/{channel}/receipts/{token}", self.on_receipts, methods=["POST"]),
            Route("/v1/carriers/{channel}/replies/{token}", self.on_replies, methods=["POST"]),
        ]

    async def on_receipts(self, request: Request) -> Response:
        """Take a call of up to 1,000 receipts."""
        return await self._take(request, "receipts", self._taking.take)

    async def on_replies(self, request: Request) -> Response:
        """Take a call of up to 1,000 replies."""
        return await self._take(request, "replies", self._taking.take_replies)

    async def _take(self, request: Request, what: str, take: Take) -> Response:
        channel, token = request.path_params["channel"], request.path_params["token"]
        config = None
        try:
            config = self._let_in(channel, token)
            items = _items(await _body(request), what)
            taken, problems = await take(config, items)
        except _Refusal as refusal:
            self._taking.refused(channel if config else "", refusal.why)
            return _answer({"taken": 0, "problem": refusal.problem}, refusal.status)
        except Retryable as error:
            extra = {"channel": channel, "what": what, "why": str(error)}
            log.warning("a call is not taken", extra=extra)
            return _answer({"taken": 0, "problem": "try again"}, 503)
        return _answer({"taken": taken, "problems": problems}, 200)

    def _let_in(self, channel: str, token: str) -> ChannelConfigured:
        config = self._find(channel)
        if config is None or not _is_equal(token, self._token_of(config)):
            raise _Refusal(404, "unknown-address", "no such webhook")
        return config


def _is_equal(token: str, expected: str) -> bool:
    """Compare in constant time; a channel without a token has no webhook."""
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _Refusal(413, "too-large", f"a call has at most {MOST_BYTES} bytes")
    return bytes(body)


def _items(body: bytes, what: str) -> list[Any]:
    try:
        call = from_json(body)
    except ValueError:
        raise _Refusal(400, "no-json", "the body is not JSON") from None
    items = call.get(what) if isinstance(call, dict) else None
    if not isinstance(items, list):
        raise _Refusal(422, f"no-{what}", f'the body is {{"{what}": [...]}}')
    if len(items) > MOST_RECEIPTS:
        raise _Refusal(413, "too-many", f"a call has at most {MOST_RECEIPTS} {what}")
    return items


def _answer(body: dict[str, Any], status: int) -> Response:
    return Response(to_json(body), status, media_type="application/json")
