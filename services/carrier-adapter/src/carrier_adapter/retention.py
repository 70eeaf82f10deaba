"""Dropping claims and outcomes that nothing can ask for any more."""

from datetime import timedelta

from carrier_adapter.ports import AttemptStore
from yizhan_contracts import ids
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_INTERVAL_S = 3600.0
_AT_A_TIME = 1_000
_PAUSE_S = 0.05


async def drop_old(store: AttemptStore, clock: Clock, keep: timedelta) -> None:
    """Drop for ever, once an hour, what belongs to messages older than ``keep``.

    Ids begin with their time: a range of ``_id`` is a range of time and needs no other index.
    """
    while True:
        before = ids.first_message_id(int((clock.now() - keep).timestamp() * 1000))
        try:
            dropped = 0
            while count := await store.drop_before(before, _AT_A_TIME):
                dropped += count
                await clock.sleep(_PAUSE_S)
            log.info("old claims and outcomes are dropped", extra={"documents": dropped})
        except Retryable as error:
            log.warning("old claims stay for now", extra={"why": str(error)})
        await clock.sleep(_INTERVAL_S)
