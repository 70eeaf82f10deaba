"""What is held: looked at before every claim, so that what is held is never claimed."""

from collections.abc import Callable
from datetime import datetime

from yizhan_contracts.events import AttemptPlanned, HoldChanged
from yizhan_contracts.topics import RETRY_DELAYS_S
from yizhan_telecom.holds import keys_of

_SOON, _LATER = "5s", "60s"
_LONG_S = 30.0
"""Held for so long, it is looked at once a minute: each look costs as much as a message does."""
_RETURN_S = 10.0
"""What comes back from a retry topic may take so long to be looked at."""


class Holds:
    """The holds in force, as ``hold.changed`` tells them. Held twice, a message waits for both."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._held: dict[str, HoldChanged] = {}
        self._on_change = on_change

    def on_changed(self, key: str, hold: HoldChanged | None) -> None:
        """Take a row of the table; a tombstone, or one that holds no longer, lifts the hold."""
        if hold is not None and hold.held:
            self._held[key] = hold
        else:
            self._held.pop(key, None)
        self._on_change()

    def of(self, plan: AttemptPlanned) -> HoldChanged | None:
        """Give the hold that an attempt is under, one that cancels before one that waits."""
        if not self._held:
            return None
        message = plan.message
        template_id = message.template.template_id if message.template is not None else ""
        keys = keys_of(message.account_id, template_id, message.origin, plan.channel)
        found = [hold for key in keys if (hold := self._held.get(key)) is not None]
        return max(found, key=lambda hold: hold.cancel, default=None)


def look_again_in(plan: AttemptPlanned, first_seen_ms: int, now: datetime) -> str:
    """Give the delay after which an attempt is looked at again that was first held then (0: now).

    Not long after its validity has ended: that it expired must be said before its last deadline.
    """
    held_s = now.timestamp() - first_seen_ms / 1000 if first_seen_ms else 0.0
    left_s = (plan.message.valid_until - now).total_seconds()
    return _LATER if held_s > _LONG_S and left_s > RETRY_DELAYS_S[_LATER] + _RETURN_S else _SOON
