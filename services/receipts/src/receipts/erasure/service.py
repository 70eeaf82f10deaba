"""Carrying erasures out: contents first, then numbers, exports, and a look at what is left.

Any instance goes on where another died: a page is written down before it is erased, so that it is
counted once. Messages that are still open are erased once they have settled. Records that were on
their way into the ledger are waited for: it is done when a second walk finds nothing.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from receipts.erasure.domain import Erasure, Found, Planned, Subject
from receipts.erasure.ports import Erased, ErasureStore
from receipts.metrics import Metrics
from yizhan_contracts.ids import first_message_id
from yizhan_runtime import Clock, Retryable, get_logger
from yizhan_runtime.repeating import repeat

log = get_logger(__name__)

_LISTED: Final = 100
_BEGIN: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class ErasureTerms:
    """How an instance works on erasures."""

    page: int = 500
    idle_s: float = 5.0
    lease_s: float = 60.0
    lag_s: float = 60.0
    """How long a record may take from ingest into the ledger; and when open messages are looked at
    again."""
    share: float = 0.3


class Erasures:
    """What is done with erasures by those who ask for them."""

    def __init__(self, store: ErasureStore, clock: Clock, key: SecretStr) -> None:
        self._store = store
        self._clock = clock
        self._key = key

    @property
    def has_key(self) -> bool:
        """Without a key of the deployment there is no proof, and so no erasure."""
        return bool(self._key.get_secret_value())

    async def begin(self, subject: Subject, asked_by: str) -> Erasure:
        """Begin an erasure; one of the same subject that is not done is that one."""
        key, now = subject.digest(self._key), self._clock.now()
        if known := await self._store.under(key):
            return known
        new = Erasure(
            erasure_id=secrets.token_hex(12),
            subject=subject,
            phone_hash=subject.phone_digest(self._key),
            asked_by=asked_by,
            requested_at=now,
            below_id=first_message_id(int(now.timestamp() * 1000)),
        )
        if await self._store.add(new, key):
            log.info("an erasure begins", extra={"erasure_id": new.erasure_id, "by": asked_by})
            return new
        return await self.begin(subject, asked_by)

    async def load(self, erasure_id: str) -> Erasure | None:
        return await self._store.load(erasure_id)


class Eraser:
    """Carries erasures out, page by page."""

    def __init__(
        self,
        store: ErasureStore,
        erased: Erased,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        terms: ErasureTerms,
    ) -> None:
        self._store = store
        self._erased = erased
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._terms = terms

    async def run(self) -> None:
        """Work for ever. MongoDB away: again, later."""
        await repeat(self._turn_and_pause, self._clock, "an erasure")

    async def _turn_and_pause(self) -> float:
        return 0.0 if await self.turn() else self._terms.idle_s

    async def turn(self) -> bool:
        """Walk through one erasure that is due. False: there is none."""
        now = self._clock.now()
        erasure = await self._store.claim(self._owner, now, self._until())
        if erasure is None:
            return False
        if erasure.planned is not None:
            await self._erase(erasure, erasure.planned)
        open_ids = await self._walk(erasure)
        if open_ids or now < erasure.requested_at + timedelta(seconds=self._terms.lag_s):
            until = now + timedelta(seconds=self._terms.lag_s)
            await self._store.wait(erasure.erasure_id, until, open_ids[:_LISTED])
            return True
        await self._finish(erasure)
        return True

    def _until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._terms.lease_s)

    async def _walk(self, erasure: Erasure) -> list[str]:
        """Erase what is settled; give what is open."""
        await self._erased.refresh()
        after, open_ids = _BEGIN, list[str]()
        while True:
            begun = self._clock.monotonic()
            page = await self._erased.page(
                erasure.subject, after, erasure.below_id, self._terms.page
            )
            if not page:
                return open_ids
            ids = [found.message_id for found in page]
            settled = await self._erased.settled_among(ids)
            open_ids += [message_id for message_id in ids if message_id not in settled]
            mine = [found for found in page if found.message_id in settled]
            if mine:
                await self._plan(erasure, mine)
            after = ids[-1]
            await self._rest(self._clock.monotonic() - begun)

    async def _plan(self, erasure: Erasure, found: list[Found]) -> None:
        contents = await self._erased.count_contents([one.message_id for one in found])
        planned = Planned(tuple(found), contents)
        await self._store.plan(erasure.erasure_id, planned, self._until())
        await self._erase(erasure, planned)

    async def _erase(self, erasure: Erasure, planned: Planned) -> None:
        await self._erased.remove_messages(planned.message_ids, self._clock.now())
        # After them: an export that begins now shows nothing of them, and those before it are here.
        exports = await self._erased.remove_exports(planned.found, erasure.requested_at)
        if remaining := await self._erased.count_remaining(planned.message_ids):
            raise Retryable(f"of a page that was erased, {remaining} are there again")
        await self._store.count(erasure.erasure_id, planned, exports)

    async def _finish(self, erasure: Erasure) -> None:
        subject, before, now = erasure.subject, erasure.requested_at, self._clock.now()
        # Counted before they go: who dies in between and begins again finds none.
        replies = await self._erased.count_replies(subject, before)
        await self._store.count_beside(erasure.erasure_id, replies, ())
        await self._erased.remove_replies(subject, before, now)
        if not subject.phone:
            exports = await self._erased.remove_exports_of(subject.account_id, before)
            await self._store.count_beside(erasure.erasure_id, replies, exports)
        kept = await self._store.load(erasure.erasure_id) or erasure
        left = await self._erased.left(subject, erasure.below_id, before, kept.export_ids)
        if any(left.values()):
            log.warning(
                "an erasure found more", extra={"erasure_id": erasure.erasure_id, "left": left}
            )
            until = now + timedelta(seconds=self._terms.lag_s)
            await self._store.wait(erasure.erasure_id, until, ())
            return
        await self._store.finish(erasure.erasure_id, left, self._clock.now())
        self._metrics.record_erased()
        log.info("an erasure is done", extra={"erasure_id": erasure.erasure_id})

    async def _rest(self, worked_s: float) -> None:
        share = self._terms.share
        await self._clock.sleep(worked_s * (1 - share) / share)
