"""The matter of results: what became of SMS, as ``settled`` says it now, in the S3 format."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from receipts.push.endpoints import About
from receipts.push.ports import Heard, Place, ResultStore
from receipts.push.s3 import (
    HEADERS,
    MAX_RESULTS,
    Result,
    S3Status,
    body_of,
    is_acknowledged,
    local_time,
    result_of_failed_sms,
    result_of_settled,
)

_OK: Final = 200
_SAMPLE_ID: Final = "0" * 32
_SAMPLE_PHONE: Final = "+8613800000000"
_SAMPLE_ZONE: Final = "Asia/Shanghai"


class Results:
    """Implements Matter."""

    about = About.RESULTS
    most = MAX_RESULTS
    headers: Mapping[str, str] = HEADERS

    def __init__(self, store: ResultStore) -> None:
        self._store = store

    async def load(
        self, subject_ids: Sequence[str]
    ) -> tuple[dict[str, Result], dict[str, Collection[str]]]:
        settled, pushed = await asyncio.gather(
            self._store.settled_of(subject_ids), self._store.pushed_of(subject_ids)
        )
        results = [result_of_settled(document) for document in settled.values()]
        open_ids = [message_id for message_id in subject_ids if message_id not in settled]
        if open_ids:
            results += await self._failed_sms(open_ids)
        return {result.message_id: result for result in results}, dict(pushed)

    async def _failed_sms(self, message_ids: Collection[str]) -> list[Result]:
        """Read of messages that are still open for their call: their SMS is final."""
        accepted, requested = await asyncio.gather(
            self._store.accepted_of(message_ids), self._store.failed_sms_of(message_ids)
        )
        return [
            result_of_failed_sms(accepted[message_id], requested[message_id])
            for message_id in message_ids
            if message_id in accepted and message_id in requested
        ]

    def is_said(self, item: Result, said: Collection[str]) -> bool:
        """After a success nothing more is said."""
        return S3Status.SUCCESS in said or item.status in said

    async def save_said(self, said: Sequence[Result], at: datetime) -> None:
        await self._store.save_pushed([(one.message_id, one.status) for one in said], at)

    def render(self, items: Sequence[Result]) -> tuple[str, bytes]:
        """Name a push by its content: sent again as it was, it has the same id."""
        body = body_of(items)
        return f"msg_{hashlib.sha256(body).hexdigest()[:32]}", body

    def is_acknowledged(self, heard: Heard) -> bool:
        return heard.status == _OK and is_acknowledged(heard.body)

    def sample(self, now: datetime) -> Result:
        time = local_time(now, _SAMPLE_ZONE)
        return Result(_SAMPLE_ID, _SAMPLE_PHONE, S3Status.SUCCESS, "", time, 1)

    async def page(self, account_id: str, after: str, below: str, limit: int) -> list[Place]:
        found = await self._store.settled_ids_of(account_id, after, below, limit)
        return [Place(message_id, message_id) for message_id in found]
