"""Posts a notice to an account's own address: once, bounded; the event is the truth."""

from http import HTTPStatus

import aiohttp

from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_HEADERS = {"Content-Type": "application/json"}


async def post(url: str, body: bytes) -> None:
    """Post, and say so in the log if nobody takes it. Redirects are not followed."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.post(url, data=body, headers=_HEADERS, allow_redirects=False) as answer,
        ):
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                log.warning("a notice was not taken", extra={"status": answer.status})
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        log.warning("a notice was not taken", extra={"why": type(error).__name__})
