"""What is held: looked at before every claim, so that what is held is never claimed."""

from datetime import datetime

from yizhan_contracts.events import AttemptPlanned, HoldChanged
from yizhan_contracts.topics import RETRY_DELAYS_S
from yizhan_telecom.holds import Holds

SOON, LATER = "5s", "60s"
_LONG_S = 30.0
"""Held for so long, it is looked at once a minute: each look costs as much as a message does."""
_RETURN_S = 10.0
"""What comes back from a retry topic may take so long to be looked at."""


def hold_of(holds: Holds, plan: AttemptPlanned) -> HoldChanged | None:
    """Give the hold that an attempt is under, None where it may be claimed."""
    message = plan.message
    template_id = message.template.template_id if message.template is not None else ""
    return holds.of(message.account_id, template_id, message.origin, plan.channel)


def look_again_in(plan: AttemptPlanned, first_seen_ms: int, now: datetime) -> str:
    """Give the delay after which an attempt is looked at again that was first held then (0: now).

    Not long after its validity has ended: that it expired must be said before its last deadline.
    """
    held_s = now.timestamp() - first_seen_ms / 1000 if first_seen_ms else 0.0
    left_s = (plan.message.valid_until - now).total_seconds()
    return LATER if held_s > _LONG_S and left_s > RETRY_DELAYS_S[LATER] + _RETURN_S else SOON
