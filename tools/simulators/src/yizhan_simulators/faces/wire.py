"""What the HTTP faces have in common: answers, refusals, and ways of not answering."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import SecretStr
from pydantic_core import to_json

from yizhan_simulators.named import Named, P_co
from yizhan_simulators.revision import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200, **headers: str) -> web.Response:  # noqa: ANN401 - JSON
    """Answer JSON."""
    return web.Response(
        body=to_json(body), status=status, content_type="application/json", headers=headers or None
    )


def invalid(problems: list[Problem], **more: object) -> web.Response:
    """Answer 422 with every problem: field, what is wrong, what to do."""
    return answer({**more, "problems": [problem._asdict() for problem in problems]}, 422)


def party(parties: Named[P_co], request: web.Request) -> P_co:
    """Return the party named in the path; 404 when that is no name."""
    try:
        return parties.of(request.match_info["name"])
    except ValueError as error:
        problem = {"problems": [{"field": "(path)", "problem": "no name", "do": str(error)}]}
        body = to_json(problem).decode()
        raise web.HTTPNotFound(text=body, content_type="application/json") from error


def is_let_in(request: web.Request, secret: SecretStr | None) -> bool:
    """Check the bearer token: the one that was set, or any."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return False
    return secret is None or hmac.compare_digest(token.encode(), secret.get_secret_value().encode())


def not_let_in() -> web.Response:
    """Answer 401: nothing was taken."""
    problem = Problem("Authorization", "no or wrong bearer token", "send Authorization: Bearer ...")
    return answer({"taken": False, "problems": [problem._asdict()]}, 401)


def hang_up(request: web.Request) -> web.Response:
    """Break the connection off without a word. The response returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


class Silence:
    """Requests that are never answered, until the client goes or the simulators stop."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def end(self) -> None:
        self._ended.set()

    async def lose(self, request: web.Request, how: str) -> web.Response:
        """Lose an answer: `close`, `hang`, `error` or `garbage`."""
        if how == "error":
            return answer({"detail": "bad gateway"}, 502)
        if how == "garbage":
            return web.Response(body=b'{"results": [{"ref"', content_type="application/json")
        if how == "hang":
            await self._ended.wait()
        return hang_up(request)
