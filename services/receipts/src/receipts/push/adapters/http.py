"""POSTs to customers: only to checked addresses, without redirects, proxies or cookies."""

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from receipts.errors import ForbiddenAddress
from receipts.push.endpoints import Endpoint
from receipts.push.guard import Guard
from receipts.push.ports import Answer
from receipts.push.s3 import HEADERS, is_acknowledged
from yizhan_runtime import get_logger

log = get_logger(__name__)

_MAX_ANSWER_BYTES = 65_536
_DNS_CACHE_S = 30
_OK = 200


class HttpCustomers:
    """Implements Customers. ``close`` ends its connections."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; it belongs to the running loop."""
        connector = aiohttp.TCPConnector(
            limit=0, resolver=_GuardedResolver(self._guard), ttl_dns_cache=_DNS_CACHE_S
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, endpoint: Endpoint, body: bytes) -> Answer:
        if self._session is None:
            raise RuntimeError("post before open")
        url = URL(str(endpoint.url))
        try:
            self._guard.check_url(url)
            async with self._session.post(
                url,
                data=body,
                headers=HEADERS,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            ) as response:
                answer = await response.content.read(_MAX_ANSWER_BYTES)
                is_taken = response.status == _OK and is_acknowledged(answer)
                return Answer.ACKNOWLEDGED if is_taken else Answer.REFUSED
        except ForbiddenAddress as error:
            return _forbidden(error)
        except TimeoutError:
            return Answer.TIMEOUT
        except (aiohttp.ClientError, OSError) as error:
            cause = _forbidden_cause(error)
            return _forbidden(cause) if cause else Answer.FAILED


def _forbidden_cause(error: BaseException) -> ForbiddenAddress | None:
    """Find what the resolver was told by the guard: aiohttp wraps whatever it raises."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ForbiddenAddress):
        cause = cause.__cause__
    return cause


def _forbidden(error: ForbiddenAddress) -> Answer:
    log.warning("a callback was not let out", extra={"why": str(error)})
    return Answer.FORBIDDEN


class _GuardedResolver(AbstractResolver):
    """Resolves a name and gives only checked addresses: the connection goes to one of them."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        for _, _, _, _, address in found:
            self._check(str(address[0]), port)
        return [_result(host, item) for item in found]

    def _check(self, address: str, port: int) -> None:
        try:
            self._guard.check_address(address, port)
        except ForbiddenAddress as error:
            raise OSError("the name resolves to a forbidden address") from error

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, item: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = item
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=int(address[1]),
        family=family,
        proto=proto,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
