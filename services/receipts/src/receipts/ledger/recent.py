"""Messages accepted a moment ago: most receipts need not read theirs back."""

from collections.abc import Collection
from typing import Final

from receipts.ledger.facts import Accepted

_MOST: Final = 20_000
"""About 25 MB: ten seconds at 2,000 messages a second."""


class Recent:
    """What was inserted last. Nothing in here ever changes: never wrong, only incomplete."""

    def __init__(self) -> None:
        self._accepted: dict[str, Accepted] = {}

    def add(self, accepted: Collection[Accepted]) -> None:
        """Remember these, forget the oldest."""
        for item in accepted:
            self._accepted[item.message_id] = item
        while len(self._accepted) > _MOST:
            del self._accepted[next(iter(self._accepted))]

    def of(self, message_ids: Collection[str]) -> dict[str, Accepted]:
        """Give those of these messages that are remembered."""
        known = self._accepted
        return {message_id: known[message_id] for message_id in message_ids if message_id in known}
