"""What happened to each message, put together from its events in any order."""

from dataclasses import dataclass, field
from datetime import datetime

from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    MessageAccepted,
    ReceiptReceived,
    ReceiptState,
)
from yizhan_contracts.ids import parse_attempt_id

_FINAL = (ReceiptState.DELIVERED, ReceiptState.FAILED)
_TRIED = (
    AttemptOutcome.SUBMITTED,
    AttemptOutcome.REFUSED,
    AttemptOutcome.FAILED,
    AttemptOutcome.IN_DOUBT,
)


@dataclass(slots=True)
class Attempt:
    """One attempt that was handed over, or was to be."""

    n: int
    channel: str
    is_accepted: bool = False
    at: datetime | None = None
    receipt: ReceiptState | None = None
    delivered_s: float | None = None
    """From hand-over to the receipt that said so."""


@dataclass(slots=True)
class Story:
    """A message and its attempts."""

    message: MessageAccepted
    attempts: dict[int, Attempt] = field(default_factory=dict)

    @property
    def is_delivered(self) -> bool:
        return any(a.receipt is ReceiptState.DELIVERED for a in self.attempts.values())

    @property
    def is_open(self) -> bool:
        """Tell whether a receipt may still come: it counts neither for nor against."""
        return not self.is_delivered and any(
            a.is_accepted and a.receipt is None for a in self.attempts.values()
        )


class History:
    """Takes events in any order, repeats too; receipts find their attempts at the end."""

    def __init__(self) -> None:
        self._stories: dict[str, Story] = {}
        self._finished: dict[str, AttemptFinished] = {}
        self._attempt_of: dict[str, str] = {}
        self._receipts: dict[str, ReceiptReceived] = {}

    def take(self, event: MessageAccepted | AttemptFinished | ReceiptReceived) -> None:
        """Take what was read."""
        match event:
            case MessageAccepted():
                if not event.test:
                    self._stories.setdefault(event.message_id, Story(event))
            case AttemptFinished():
                if event.outcome in _TRIED:
                    self._finished[event.attempt_id] = event
                    for carrier_id in (event.carrier_message_id, *event.carrier_message_ids):
                        if carrier_id:
                            key = f"{event.carrier_account}:{carrier_id}"
                            self._attempt_of[key] = event.attempt_id
            case ReceiptReceived():
                if event.state in _FINAL:
                    known = self._receipts.get(event.key())
                    if known is None or event.state is ReceiptState.DELIVERED:
                        self._receipts[event.key()] = event

    def stories(self) -> list[Story]:
        """Give every message that was accepted, oldest first."""
        for finished in self._finished.values():
            story = self._stories.get(finished.message_id)
            if story is not None:
                story.attempts[finished.n] = Attempt(
                    finished.n,
                    finished.channel,
                    finished.outcome is AttemptOutcome.SUBMITTED,
                    finished.finished_at,
                )
        for key, receipt in self._receipts.items():
            self._match(receipt.attempt_id or self._attempt_of.get(key), receipt)
        return sorted(self._stories.values(), key=lambda story: story.message.accepted_at)

    def _match(self, attempt_id: str | None, receipt: ReceiptReceived) -> None:
        if attempt_id is None:
            return
        name = parse_attempt_id(attempt_id)
        story = self._stories.get(name.message_id)
        attempt = story.attempts.get(name.n) if story else None
        if attempt is None or attempt.receipt is ReceiptState.DELIVERED:
            return
        attempt.receipt = receipt.state
        if receipt.state is ReceiptState.DELIVERED and attempt.at is not None:
            attempt.delivered_s = max((receipt.received_at - attempt.at).total_seconds(), 0.0)
