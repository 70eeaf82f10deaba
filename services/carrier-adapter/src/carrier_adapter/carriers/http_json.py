"""Carriers that take batches of messages as JSON over HTTP, and send receipts to a webhook.

``POST {url}/messages`` with a bearer token and 1 to 100 messages. 200 answers each message; 429 and
any answer that says ``{"taken": false}`` took nothing; everything else may have taken all of it.
"""

from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from pydantic_core import from_json, to_json

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Answered,
    BoundChanged,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.carriers.codes import reason_of
from yizhan_contracts.events import ChannelConfigured
from yizhan_contracts.reasons import Reason
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

LATE_ANSWERS = 3.0
"""An answer is waited for this many submit timeouts: after the first it is in doubt, and news."""

_CONNECT_S = 5.0
_PROBE_S = 2.0
_KEEP_ALIVE_S = 4.0
"""Shorter than any server's (uvicorn and node: 5 s). A connection that the server is just closing
breaks after we wrote, and then the whole batch is in doubt."""
_ANSWER_BYTES = 4 * 1024 * 1024
_LONGEST_RETRY_AFTER_S = 60.0
_STATUS_OK = 200
_STATUS_THROTTLED = 429
_STATUSES_AUTH = frozenset({401, 403})
_STATUSES_BATCH_IS_WRONG = frozenset({400, 413, 422})


class HttpJsonCarrier:
    """One channel's connections to its carrier. Made inside the running loop."""

    def __init__(self, config: ChannelConfigured, secret: str, callback_url: str) -> None:
        self._config = config
        self._callback_url = callback_url
        self._messages_url = f"{config.url.rstrip('/')}/messages"
        connect_s = min(_CONNECT_S, config.submit_timeout_s / 2)
        self._session = aiohttp.ClientSession(
            # No limit here: what may be open at a time is the channel's window.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(
                total=config.submit_timeout_s * LATE_ANSWERS, sock_connect=connect_s
            ),
        )

    async def submit(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        """Post a batch, or each message alone where the batch is refused whole."""
        answers = await self._post(batch, may_write)
        if answers is None:
            for one in batch:
                await self.submit((one,), may_write, answered)
            return
        for attempt_id, answer in answers.items():
            answered(attempt_id, answer)

    def follow(self, bound_changed: BoundChanged) -> None:
        """Say nothing: it connects for each submit."""

    async def is_up(self) -> bool:
        """Post an empty batch: whatever is wrong with it, the carrier itself answers."""
        try:
            async with self._session.post(
                self._messages_url,
                data=b'{"messages":[]}',
                timeout=aiohttp.ClientTimeout(total=_PROBE_S),
                allow_redirects=False,
            ) as response:
                return response.status < 500 and response.status not in _STATUSES_AUTH  # noqa: PLR2004
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def close(self) -> None:
        """Let the connections go."""
        await self._session.close()

    async def _post(
        self, batch: Sequence[Submission], may_write: MayWrite
    ) -> dict[str, Answer] | None:
        """Give each message its answer. None: not one was taken, because of one of them."""
        body = _GuardedBody(self._encoded(batch), may_write)
        try:
            async with self._session.post(
                self._messages_url, data=body, allow_redirects=False
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After", "")
                answer = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _all(batch, body.explain(error))
        if status == _STATUS_OK:
            return self._results(batch, answer)
        if status in _STATUSES_BATCH_IS_WRONG and len(batch) > 1:
            return None
        return _all(batch, self._turned_away(status, retry_after, answer))

    def _encoded(self, batch: Sequence[Submission]) -> bytes:
        callback = self._callback_url
        return to_json(
            {
                "messages": [
                    {
                        "ref": one.attempt_id,
                        "to": one.recipient,
                        "from": one.sender,
                        "text": one.text,
                        "validity_s": one.validity_s,
                        "callback": callback,
                    }
                    | _template(one)
                    for one in batch
                ]
            }
        )

    def _results(self, batch: Sequence[Submission], answer: Any) -> dict[str, Answer]:  # noqa: ANN401
        """Read a 200. A message that it does not speak of is lost: the carrier may have it."""
        answers = _all(batch, Lost("the carrier's answer does not speak of it"))
        results = answer.get("results") if isinstance(answer, dict) else None
        for result in results if isinstance(results, list) else ():
            if isinstance(result, dict) and result.get("ref") in answers:
                answers[result["ref"]] = self._result(result)
        return answers

    def _result(self, result: dict[str, Any]) -> Answer:
        status, own_id = result.get("status"), result.get("id")
        if status == "accepted" and isinstance(own_id, str | int) and own_id != "":
            return Accepted((str(own_id),))
        if status == "refused":
            code = str(result.get("code", ""))
            reason = reason_of(code, self._config.reasons, Reason.UNKNOWN)
            return Refused(code, reason, str(result.get("detail", "")))
        if status == "throttled":
            return NotTaken(Cause.THROTTLED, Reason.THROTTLED)
        return Lost("the carrier's answer is not understood")

    def _turned_away(self, status: int, retry_after: str, answer: Any) -> Answer:  # noqa: ANN401
        """Judge an answer that is no 200, for all messages of the batch alike."""
        detail = f"http {status}"
        if status == _STATUS_THROTTLED:
            return NotTaken(Cause.THROTTLED, Reason.THROTTLED, detail, _seconds(retry_after))
        if status in _STATUSES_AUTH:
            return NotTaken(Cause.DOWN, Reason.CARRIER_AUTH, detail)
        if status in _STATUSES_BATCH_IS_WRONG:
            code = str(answer.get("code", "")) if isinstance(answer, dict) else ""
            reason = reason_of(code, self._config.reasons, Reason.CARRIER_ERROR)
            return Refused(code or detail, reason, detail)
        if status < 500 or (isinstance(answer, dict) and answer.get("taken") is False):  # noqa: PLR2004
            reason = Reason.CARRIER_UNAVAILABLE if status == 503 else Reason.CARRIER_ERROR  # noqa: PLR2004
            return NotTaken(Cause.DOWN, reason, detail, _seconds(retry_after))
        return Lost(detail)


class _GuardedBody(aiohttp.BytesPayload):
    """A body that asks before it is written, and knows whether it was.

    aiohttp holds the headers back until the body's first byte: while ``is_written`` is false the
    carrier has seen nothing, and whatever went wrong, the messages were not taken.
    """

    def __init__(self, value: bytes, may_write: MayWrite) -> None:
        super().__init__(value, content_type="application/json")
        self._may_write = may_write
        self._is_late = False
        self.is_written = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not self._may_write():
            self._is_late = True
            raise _TooLateError
        self.is_written = True
        await super().write_with_length(writer, content_length)

    def explain(self, error: Exception) -> Answer:
        """Say what a failed request means for its messages."""
        name = type(error).__name__
        if self.is_written:
            return Lost(name)
        if self._is_late:
            return TOO_LATE
        return NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, name)


class _TooLateError(Exception):
    """Stops a write."""


def _all(batch: Sequence[Submission], answer: Answer) -> dict[str, Answer]:
    return {one.attempt_id: answer for one in batch}


async def _read(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - JSON
    """Read a bounded answer; what is no JSON is None."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            log.warning("an answer is too long", extra={"status": response.status})
            response.close()
            return None
    try:
        return from_json(bytes(body))
    except ValueError:
        return None


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), _LONGEST_RETRY_AFTER_S) if retry_after.isdecimal() else 0.0


def _template(one: Submission) -> dict[str, object]:
    if one.template is None:
        return {}
    return {"template": {"code": one.template.code, "values": one.template.values}}
