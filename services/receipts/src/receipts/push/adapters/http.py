"""POSTs to customers: only to checked addresses, without redirects, proxies or cookies."""

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from receipts.errors import ForbiddenAddress
from receipts.push.guard import Guard
from receipts.push.ports import Answer, Heard, Request
from yizhan_runtime import get_logger

log = get_logger(__name__)

_MAX_ANSWER_BYTES = 65_536
_DNS_CACHE_S = 30
_RESOLVE_S = 5.0


class HttpCustomers:
    """Implements Customers and Addresses. ``close`` ends its connections."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._resolver = GuardedResolver(guard)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; it belongs to the running loop."""
        connector = aiohttp.TCPConnector(
            limit=0, resolver=self._resolver, ttl_dns_cache=_DNS_CACHE_S
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, request: Request) -> Heard:
        if self._session is None:
            raise RuntimeError("post before open")
        try:
            self._guard.check_url(request.url)
            async with self._session.post(
                request.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout_s),
            ) as response:
                return Heard(response.status, await response.content.read(_MAX_ANSWER_BYTES))
        except ForbiddenAddress as error:
            return _forbidden(error)
        except TimeoutError:
            return Heard(failure=Answer.TIMEOUT, why=f"no answer within {request.timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            cause = _forbidden_cause(error)
            return _forbidden(cause) if cause else _failed(error)

    async def check(self, url: URL) -> None:
        self._guard.check_url(url)
        if url.scheme == "http" and not self._guard.is_allowed_literal(url):
            raise ForbiddenAddress("a callback URL begins with https://")
        try:
            async with asyncio.timeout(_RESOLVE_S):
                await self._resolver.resolve(url.host or "", url.port or 0, socket.AF_UNSPEC)
        except (OSError, TimeoutError) as error:
            cause = _forbidden_cause(error)
            raise cause or ForbiddenAddress(
                "the host's name does not resolve: look at it"
            ) from None


def _failed(error: Exception) -> Heard:
    """Say what went wrong by its kind: the words of libraries hold addresses."""
    why = "its certificate is not good" if isinstance(error, aiohttp.ClientSSLError) else ""
    return Heard(failure=Answer.FAILED, why=why or f"no connection ({type(error).__name__})")


def _forbidden_cause(error: BaseException) -> ForbiddenAddress | None:
    """Find what the resolver was told by the guard: aiohttp wraps whatever it raises."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ForbiddenAddress):
        cause = cause.__cause__
    return cause


def _forbidden(error: ForbiddenAddress) -> Heard:
    log.warning("a callback was not let out", extra={"why": str(error)})
    return Heard(failure=Answer.FORBIDDEN, why=str(error))


class GuardedResolver(AbstractResolver):
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
