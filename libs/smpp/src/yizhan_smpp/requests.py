"""The requests of a session that are not answered, by sequence number."""

from collections.abc import Collection
from typing import Final, NamedTuple

from yizhan_smpp.constants import ANSWER, GENERIC_NACK
from yizhan_smpp.handler import Answered, Failure

_LAST_SEQUENCE: Final = 0x7FFFFFFF


class Request(NamedTuple):
    """What was asked, who is told, and when it was sent (monotonic seconds)."""

    command: int
    answered: Answered
    sent_at: float


class OpenRequests:
    """Tells every request's end once. In the window first; overdue after that, and then silent.

    All wait equally long, so the oldest is always the first of its dict.
    """

    def __init__(self) -> None:
        self.in_window: dict[int, Request] = {}
        self.overdue: dict[int, Request] = {}
        self._sequence = 0

    def next_sequence(self) -> int:
        """Give the next number that is not in use (3.2: 1 to 0x7FFFFFFF, and round again)."""
        while True:
            self._sequence = self._sequence + 1 if self._sequence < _LAST_SEQUENCE else 1
            if self._sequence not in self.in_window and self._sequence not in self.overdue:
                return self._sequence

    def take(self, sequence: int, answer: int) -> Request | None:
        """Give up the request that ``answer`` (a command) may answer; None where there is none."""
        asked = self.in_window.get(sequence) or self.overdue.get(sequence)
        if asked is None or answer not in (asked.command | ANSWER, GENERIC_NACK):
            return None
        return self.in_window.pop(sequence, None) or self.overdue.pop(sequence, None)

    def age(self, now: float, response_s: float, give_up_s: float) -> bool:
        """Take what is overdue out of the window; tell whether there was any."""
        has_aged = False
        for sequence, request in list(self.in_window.items()):
            if now - request.sent_at < response_s:
                break
            self.overdue[sequence] = self.in_window.pop(sequence)
            has_aged = True
        for sequence, request in list(self.overdue.items()):
            if now - request.sent_at < give_up_s:
                break
            del self.overdue[sequence]
            request.answered(Failure.SILENT)
        return has_aged

    def end(self, unwritten: Collection[int]) -> None:
        """Tell all of them that the connection is gone."""
        going = {**self.overdue, **self.in_window}
        self.in_window.clear()
        self.overdue.clear()
        for sequence, request in going.items():
            request.answered(Failure.NOT_WRITTEN if sequence in unwritten else Failure.LOST)
