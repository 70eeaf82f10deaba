"""Claims of a batch: before anything is sent, and never past a message's validity."""

from collections.abc import Sequence
from datetime import datetime

from carrier_adapter.domain.claims import Claim, ClaimKind
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.desk import Desk
from carrier_adapter.sending.flight import Flight, Intent
from yizhan_runtime.clock import backoff_s
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)


async def claim(batch: Sequence[Flight], channel: Channel, desk: Desk) -> list[Flight]:
    """Claim a batch, and give the flights whose claim is ours; the others are looked up.

    After an insert that timed out nobody knows what of it is there. The next insert finds it, and
    the look that follows finds our own name on it: nothing was sent of it, so it is taken up again.
    """
    fresh = [flight for flight in batch if flight.claimed_at is None]
    claimed = [flight for flight in batch if flight.claimed_at is not None]
    tries = 0
    while fresh:
        at, mono = channel.clock.now(), channel.clock.monotonic()
        try:
            there = await desk.claims.add([_claim_of(flight, desk, at) for flight in fresh])
        except Retryable as error:
            tries += 1
            log.warning("claims wait", extra={"channel": channel.name, "why": str(error)})
            await channel.clock.sleep(backoff_s(tries))
            fresh = _still_wanted(fresh, channel, desk)
            continue
        for flight in fresh:
            if flight.attempt_id not in there:
                flight.claimed_at, flight.claimed_mono = at, mono
                claimed.append(flight)
        _give_back([flight for flight in fresh if flight.claimed_at is None], channel, desk)
        break
    return claimed


def _claim_of(flight: Flight, desk: Desk, at: datetime) -> Claim:
    return Claim(
        flight.attempt_id,
        flight.plan.n,
        flight.plan.channel,
        desk.incarnation,
        ClaimKind.SENT,
        at,
    )


def _still_wanted(fresh: Sequence[Flight], channel: Channel, desk: Desk) -> list[Flight]:
    """Look again at what may have become late, or be held by now."""
    now = channel.clock.now()
    late = [flight for flight in fresh if flight.is_late(now)]
    valid = [flight for flight in fresh if not flight.is_late(now)]
    held = [flight for flight in valid if desk.is_held(flight)]
    _give_back(late, channel, desk, Intent.EXPIRE)
    _give_back(held, channel, desk)
    return [flight for flight in valid if not desk.is_held(flight)]


def _give_back(
    flights: Sequence[Flight], channel: Channel, desk: Desk, intent: Intent = Intent.SEND
) -> None:
    for flight in flights:
        channel.free_slot(flight)
    desk.inquiry.ask(flights, intent)
