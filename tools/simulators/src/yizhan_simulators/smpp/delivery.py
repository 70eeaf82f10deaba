"""Brings receipts and replies to the binds of a carrier: as deliver_sm, again until taken."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.handed import Receipt
from yizhan_simulators.carriers.replies import Reply
from yizhan_simulators.clock import Clock
from yizhan_simulators.named import Named
from yizhan_simulators.smpp.receipts import receipt_pdu
from yizhan_simulators.smpp.session import SmscSession
from yizhan_simulators.smpp.texts import write_text
from yizhan_simulators.timers import Timers
from yizhan_simulators.webhooks import RETRY_FOR_S, Outcomes
from yizhan_smpp.constants import DELIVER_SM, NPI_ISDN, TON_INTERNATIONAL
from yizhan_smpp.handler import Reply as Answer
from yizhan_smpp.pdu import Message, Pdu

SMPP = "smpp:"
"""How the callback of what came over SMPP begins; the carrier's name follows."""

_REST_FIRST_S = 0.1
_REST_MOST_S = 5.0

Statement = Receipt | Reply
Done = Callable[[Sequence[Statement], str], None]


class _Item(NamedTuple):
    """One deliver_sm; `statement` is done when it is taken, None for all but the last part."""

    message: Message
    due: float
    statement: Statement
    is_last: bool = True


class Deliveries:
    """All deliver_sm of all carriers.

    At-least-once: a receipt counts as sent when a bind answered it without an error, and is sent
    again until then, on any bind, for `retry_for_s` seconds.
    """

    def __init__(
        self,
        carriers: Named[Carrier],
        outcomes: Outcomes[Receipt],
        replied: Callable[[Sequence[Reply]], None],
        clock: Clock,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        self._carriers = carriers
        self.outcomes = outcomes
        self.replied = replied
        self.clock = clock
        self.retry_for_s = retry_for_s
        self._timers: Timers[Statement] = Timers(self._enqueue, clock)
        self._lines: dict[str, Line] = {}
        self._references = 0

    def send(self, statements: Iterable[Statement]) -> None:
        """Deliver these when they are due."""
        self._timers.add(statements)

    def send_now(self, receipts: Iterable[Receipt], session: SmscSession) -> None:
        """Deliver these before anything else that is written to this bind."""
        for receipt in receipts:
            line = self.line(receipt.carrier)
            for item in self._items(receipt):
                if session.is_receiver:
                    line.request(session, item)
                else:
                    line.queue.append(item)
            line.pump()

    def line(self, carrier: str) -> "Line":
        """Return the binds and the queue of one carrier."""
        line = self._lines.get(carrier)
        if line is None:
            line = self._lines[carrier] = Line(self)
        return line

    def stop(self) -> None:
        """Stop; what is still owed stays owed."""
        self._timers.stop()
        for line in self._lines.values():
            line.stop()

    def _enqueue(self, due: list[Statement]) -> None:
        lines = set()
        for statement in due:
            line = self.line(statement.carrier)
            line.queue.extend(self._items(statement))
            lines.add(line)
        for line in lines:
            line.pump()

    def _items(self, statement: Statement) -> list[_Item]:
        if isinstance(statement, Receipt):
            smpp = self._carriers.of(statement.carrier).behaviour.smpp
            return [_Item(receipt_pdu(statement, smpp), statement.due, statement)]
        self._references += 1
        parts = write_text(statement.text, self._references)
        return [
            _Item(_reply_pdu(statement, *part), statement.due, statement, number == len(parts))
            for number, part in enumerate(parts, 1)
        ]


def _reply_pdu(reply: Reply, esm_class: int, coding: int, octets: bytes) -> Message:
    return Message(
        destination=reply.to,
        short_message=octets,
        source=reply.sender.removeprefix("+"),
        source_ton=TON_INTERNATIONAL,
        source_npi=NPI_ISDN,
        esm_class=esm_class,
        data_coding=coding,
    )


class Line:
    """The receiving binds of one carrier, and what waits for them."""

    def __init__(self, deliveries: Deliveries) -> None:
        self.queue: deque[_Item] = deque()
        self.sessions: list[SmscSession] = []
        self._deliveries = deliveries
        self._turn = 0
        self._failures = 0
        self._rest: asyncio.TimerHandle | None = None
        self._taken: list[_Item] = []

    def pump(self) -> None:
        """Send what the windows take."""
        if self._rest is not None:
            return
        self._give_up_old()
        while self.queue:
            session = self._next_session()
            if session is None:
                return
            for _ in range(min(session.room, len(self.queue))):
                item = self.queue.popleft()
                if self._is_owed(item):
                    self.request(session, item)

    def request(self, session: SmscSession, item: _Item) -> None:
        """Send one on this bind, whatever its window."""
        session.request(DELIVER_SM, item.message, partial(self._answered, item))

    def stop(self) -> None:
        if self._rest is not None:
            self._rest.cancel()

    def _next_session(self) -> SmscSession | None:
        """Take the binds in turn: a receipt comes on any bind of the account."""
        for _ in self.sessions:
            self._turn = (self._turn + 1) % len(self.sessions)
            if self.sessions[self._turn].is_receiver and self.sessions[self._turn].room > 0:
                return self.sessions[self._turn]
        return None

    def _answered(self, item: _Item, answer: Answer) -> None:
        if isinstance(answer, Pdu) and answer.is_ok:
            self._failures = 0
            if not self._taken:
                asyncio.get_running_loop().call_soon(self._note_taken)
            self._taken.append(item)
            return
        self.queue.append(item)
        if isinstance(answer, Pdu):
            self._rest_a_while()

    def _note_taken(self) -> None:
        taken, self._taken = self._taken, []
        statements = [item.statement for item in taken if item.is_last]
        receipts = [one for one in statements if isinstance(one, Receipt)]
        if receipts:
            self._deliveries.outcomes.done(receipts, "sent")
        replies = [one for one in statements if isinstance(one, Reply)]
        if replies:
            self._deliveries.replied(replies)

    def _is_owed(self, item: _Item) -> bool:
        statement = item.statement
        return isinstance(statement, Reply) or self._deliveries.outcomes.is_owed(statement)

    def _give_up_old(self) -> None:
        too_old = self._deliveries.clock() - self._deliveries.retry_for_s
        given_up = []
        while self.queue and self.queue[0].due < too_old:
            given_up.append(self.queue.popleft().statement)
        receipts = [one for one in given_up if isinstance(one, Receipt)]
        if receipts:
            self._deliveries.outcomes.done(receipts, "given_up")

    def _rest_a_while(self) -> None:
        if self._rest is None:
            delay_s = min(_REST_MOST_S, _REST_FIRST_S * 2 ** min(self._failures, 10))
            self._failures += 1
            self._rest = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._rest = None
        self.pump()
