"""Dropping calls that nothing can ask for any more."""

from datetime import timedelta

from voice_fallback.ports import CallStore
from yizhan_contracts import ids
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_INTERVAL_S = 3600.0
_AT_A_TIME = 1_000


async def drop_old(store: CallStore, clock: Clock, keep: timedelta) -> None:
    """Drop for ever, once an hour, what belongs to messages older than ``keep``."""
    while True:
        before = ids.first_message_id(int((clock.now() - keep).timestamp() * 1000))
        try:
            while await store.drop_before(before, _AT_A_TIME):
                pass
        except Retryable as error:
            log.warning("old calls stay for now", extra={"why": str(error)})
        await clock.sleep(_INTERVAL_S)
