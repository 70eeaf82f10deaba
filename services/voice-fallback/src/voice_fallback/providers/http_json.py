"""Providers that take one call as JSON over HTTP, and report it to a webhook.

``POST {url}/calls`` with a bearer token: 202 takes it, 422 refuses it, 429 and any answer that says
``{"taken": false}`` took nothing; after everything else it may ring.
"""

from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from pydantic_core import from_json, to_json

from voice_fallback.providers.base import Answer, Lost, MayDial, NotTaken, Order, Refused, Taken
from yizhan_contracts.reasons import Reason

_CONNECT_S = 3.0
_KEEP_ALIVE_S = 4.0
"""Shorter than any server's: a connection that is just being closed leaves a call in doubt."""
_ANSWER_BYTES = 64 * 1024
_TAKEN = frozenset({200, 201, 202})
_REFUSED = frozenset({400, 422})
_NOT_TAKEN = frozenset({401, 403, 404, 405, 429})


class HttpJsonProvider:
    """Connections to one provider, opened with the first call."""

    def __init__(self, url: str, secret: str, callback_url: str, timeout_s: float) -> None:
        self._calls_url = f"{url.rstrip('/')}/calls"
        self._callback_url = callback_url
        self._secret = secret
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def dial(self, order: Order, may_dial: MayDial) -> Answer:
        """Post one call."""
        body = _GuardedBody(self._encoded(order), may_dial)
        try:
            async with self._connected().post(
                self._calls_url, data=body, allow_redirects=False
            ) as response:
                return _judge(response.status, _parse(await _read(response)))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if body.is_written:
                return Lost(type(error).__name__)
            return NotTaken(Reason.CARRIER_UNAVAILABLE, type(error).__name__)

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Authorization": f"Bearer {self._secret}"},
                timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=_CONNECT_S),
            )
        return self._session

    def _encoded(self, order: Order) -> bytes:
        return to_json(
            {
                "ref": order.ref,
                "to": order.recipient,
                "language": order.language,
                "script": order.script,
                "callback": self._callback_url,
            }
        )


class _GuardedBody(aiohttp.BytesPayload):
    """A body that asks before it is written: aiohttp sends the headers with its first byte."""

    def __init__(self, value: bytes, may_dial: MayDial) -> None:
        super().__init__(value, content_type="application/json")
        self._may_dial = may_dial
        self.is_written = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not self._may_dial():
            raise _TooLateError
        self.is_written = True
        await super().write_with_length(writer, content_length)


class _TooLateError(Exception):
    """Stops a write."""


def _judge(status: int, answer: dict[str, Any]) -> Answer:
    detail = f"http {status}"
    if status in _TAKEN:
        return Taken(str(answer.get("id", "")))
    if status in _REFUSED:
        return Refused(str(answer.get("code", "")) or detail, str(answer.get("detail", ""))[:200])
    if status in _NOT_TAKEN:
        return NotTaken(_reason(status), detail)
    if answer.get("taken") is False:
        return NotTaken(Reason.CARRIER_UNAVAILABLE, detail)
    return Lost(detail)


def _reason(status: int) -> Reason:
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return Reason.THROTTLED
    return Reason.CARRIER_AUTH if status in (401, 403) else Reason.CARRIER_UNAVAILABLE


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            response.close()
            break
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = from_json(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
