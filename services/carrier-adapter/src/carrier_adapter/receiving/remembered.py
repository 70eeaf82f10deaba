"""Which attempt a carrier's id belongs to, as long as this process remembers."""

from collections.abc import Iterable
from typing import NamedTuple

from yizhan_contracts.events import AttemptPlanned


class Remembered(NamedTuple):
    """The attempt behind a carrier's id, where its recipient is, and how many receipts it gets."""

    attempt_id: str
    country: str
    parts: int = 1


class RememberedIds:
    """The newest ``most`` ids: spares receipts its lookup, and is allowed to forget."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[tuple[str, str], Remembered] = {}

    def put_all(
        self,
        carrier_account: str,
        carrier_message_ids: Iterable[str],
        plan: AttemptPlanned,
        parts: int = 1,
    ) -> None:
        """Remember the ids that a carrier gave an attempt of ``parts`` parts."""
        remembered = Remembered(plan.attempt_id, plan.message.country, parts)
        for carrier_message_id in carrier_message_ids:
            self._known[carrier_account, carrier_message_id] = remembered
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def get(self, carrier_account: str, carrier_message_id: str) -> Remembered | None:
        """Give the attempt of an id, None when it was never known or is forgotten."""
        return self._known.get((carrier_account, carrier_message_id))
