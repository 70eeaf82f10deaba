"""Forgetting inputs that no record of any topic can bring back."""

from datetime import timedelta

from ingest.ports import Inputs
from yizhan_contracts import ids
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

INTERVAL_S = 600.0
_CHUNK = 1000
_PAUSE_S = 0.05


async def forget_old_inputs(inputs: Inputs, clock: Clock, kept: timedelta) -> None:
    """Drop inputs older than ``kept``, in small bites, for ever. Two at once do no harm."""
    while True:
        try:
            dropped = await drop_old(inputs, clock, kept)
        except Retryable as error:
            log.warning("old inputs stay for now", extra={"why": str(error)})
        else:
            if dropped:
                log.info("old inputs dropped", extra={"count": dropped})
        await clock.sleep(INTERVAL_S)


async def drop_old(inputs: Inputs, clock: Clock, kept: timedelta) -> int:
    """Drop all that is older; give how many. Raises Retryable."""
    bound = ids.first_message_id(int((clock.now() - kept).timestamp() * 1000))
    total = 0
    while dropped := await inputs.drop_before(bound, _CHUNK):
        total += dropped
        await clock.sleep(_PAUSE_S)
    return total
