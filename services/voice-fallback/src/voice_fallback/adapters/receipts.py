"""receipts, asked over HTTP whether a message is still open."""

import aiohttp

from voice_fallback.ports import MessageState
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_TIMEOUT_S = 3.0
_OK = 200


class HttpLedger:
    """Asks ``GET {url}/internal/v1/messages/{id}/state``."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, message_id: str) -> MessageState:
        """Ask once. A message that the ledger does not know yet is no answer."""
        url = f"{self._url}/internal/v1/messages/{message_id}/state"
        try:
            async with self._connected().get(url, allow_redirects=False) as response:
                status = response.status
                answer = await response.json() if status == _OK else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.warning("receipts does not answer", extra={"why": type(error).__name__})
            return MessageState.NO_ANSWER
        is_open = answer.get("open") if isinstance(answer, dict) else None
        if not isinstance(is_open, bool):
            log.warning("receipts does not say", extra={"status": status})
            return MessageState.NO_ANSWER
        return MessageState.OPEN if is_open else MessageState.SETTLED

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            )
        return self._session
