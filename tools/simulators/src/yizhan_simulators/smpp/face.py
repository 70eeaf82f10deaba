"""The carriers over SMPP: binds, submit_sm and its answer, or none, as the carrier says."""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from yizhan_simulators.behaviour import SmppBehaviour
from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.handed import Receipt, Submission
from yizhan_simulators.carriers.verdicts import Single, Status
from yizhan_simulators.clock import Clock
from yizhan_simulators.draws import Answer
from yizhan_simulators.named import Named
from yizhan_simulators.smpp.delivery import SMPP, Deliveries
from yizhan_simulators.smpp.receipts import ID_FORMS
from yizhan_simulators.smpp.session import Bind, SmscSession
from yizhan_simulators.smpp.statuses import status_of
from yizhan_simulators.smpp.texts import read_text
from yizhan_simulators.timers import Timers
from yizhan_smpp.constants import (
    DATA_SM,
    INVALID_COMMAND,
    INVALID_PASSWORD,
    INVALID_SYSTEM_ID,
    OK,
    SUBMIT_SM,
    SYSTEM_ERROR,
)
from yizhan_smpp.handler import Handler
from yizhan_smpp.pdu import Bind as BindBody
from yizhan_smpp.pdu import Message, Pdu, Taken
from yizhan_smpp.session import Session

log = logging.getLogger(__name__)

_ANSWER_SLOT_S = 0.005
_VENDOR_TAGS = range(0x1400, 0x4000)  # 5.3.2: left to vendors
_ATTEMPT = re.compile(rb"[0-9a-f]{32}-[0-9]+")


class _Late(NamedTuple):
    """An answer that waits for its time."""

    due: float
    session: SmscSession
    request: Pdu
    status: int
    body: Taken | None


class SmppFace(Handler):
    """One for all binds of all carriers; `system_id` says which carrier is meant."""

    def __init__(self, carriers: Named[Carrier], deliveries: Deliveries, clock: Clock) -> None:
        self._carriers = carriers
        self._deliveries = deliveries
        self._clock = clock
        self._sessions: set[SmscSession] = set()
        self._collected: dict[SmscSession, list[Pdu]] = {}
        self._late: Timers[_Late] = Timers(self._answer_late, clock, _ANSWER_SLOT_S)

    def binds(self, carrier: str) -> list[SmscSession]:
        """Return the sessions that are bound to a carrier."""
        return [s for s in self._sessions if s.bound and s.bound.carrier.name == carrier]

    def cut(self, carrier: str) -> int:
        """Break off every bind of a carrier; return how many there were."""
        sessions = self.binds(carrier)
        for session in sessions:
            session.abort()
        return len(sessions)

    def stop(self) -> None:
        """Break off everything."""
        self._late.stop()
        for session in list(self._sessions):
            session.abort()

    # --- what sessions tell ---------------------------------------------------------------------

    def on_bind(self, session: Session, request: Pdu) -> None:
        assert isinstance(session, SmscSession)  # noqa: S101 - the ports make no others
        assert isinstance(request.body, BindBody)  # noqa: S101 - the decoder's word
        self._sessions.add(session)
        carrier = self._carrier_of(request.body.system_id)
        if carrier is None:
            session.refuse(request, INVALID_SYSTEM_ID)
        elif carrier.behaviour.down:
            session.abort()
        elif not carrier.behaviour.hang:
            self._bind(session, request, carrier)

    def on_request(self, session: Session, request: Pdu) -> None:
        assert isinstance(session, SmscSession)  # noqa: S101 - the ports make no others
        if request.command not in (SUBMIT_SM, DATA_SM):
            session.respond(request, INVALID_COMMAND)
            return
        collected = self._collected.get(session)
        if collected is None:  # what came in one read is taken together
            collected = self._collected[session] = []
            asyncio.get_running_loop().call_soon(self._take, session)
        collected.append(request)

    def on_room(self, session: Session) -> None:
        assert isinstance(session, SmscSession)  # noqa: S101 - the ports make no others
        if session.bound is not None and session.is_receiver:
            self._deliveries.line(session.bound.carrier.name).pump()

    def on_malformed(self, session: Session, problem: str) -> None:
        assert isinstance(session, SmscSession)  # noqa: S101 - the ports make no others
        if session.bound is not None:
            session.bound.carrier.count("malformed")
        log.warning("a PDU that cannot be read", extra={"why": problem})

    def on_closed(self, session: Session, error: Exception | None) -> None:  # noqa: ARG002
        assert isinstance(session, SmscSession)  # noqa: S101 - the ports make no others
        self._sessions.discard(session)
        if session.bound is None:
            return
        line = self._deliveries.line(session.bound.carrier.name)
        if session in line.sessions:
            line.sessions.remove(session)
        line.pump()
        log.info("a bind ended", extra={"carrier": session.bound.carrier.name})

    # --- binds ----------------------------------------------------------------------------------

    def _carrier_of(self, system_id: str) -> Carrier | None:
        for name in self._carriers:
            if self._carriers.of(name).behaviour.smpp.system_id == system_id:
                return self._carriers.of(name)
        try:
            carrier = self._carriers.of(system_id)
        except ValueError:
            return None
        return carrier if carrier.behaviour.smpp.system_id in ("", system_id) else None

    def _bind(self, session: SmscSession, request: Pdu, carrier: Carrier) -> None:
        assert isinstance(request.body, BindBody)  # noqa: S101 - the decoder's word
        secret, status = carrier.behaviour.secret, carrier.behaviour.smpp.bind_status
        if status == OK and secret and request.body.password != secret.get_secret_value():
            status = INVALID_PASSWORD
        if status != OK:
            carrier.count("binds_refused")
            session.refuse(request, status)
            return
        carrier.count("binds")
        session.peer = Bind(carrier, request.body.system_id)
        session.options = replace(session.options, window=carrier.behaviour.smpp.window)
        session.accept(request, carrier.name[:15])
        if session.is_receiver:
            line = self._deliveries.line(carrier.name)
            line.sessions.append(session)
            line.pump()
        log.info("a bind", extra={"carrier": carrier.name})

    # --- submits --------------------------------------------------------------------------------

    def _take(self, session: SmscSession) -> None:
        requests = self._collected.pop(session)
        bound = session.bound
        if bound is None:
            return
        cut_after = _cut_after(bound, len(requests))
        requests = requests[:cut_after]
        carrier = bound.carrier
        bound.submits += len(requests)
        try:
            singles, early = carrier.take_singly([_submission(r, carrier.name) for r in requests])
        except OSError:
            log.exception("submits could not be recorded", extra={"carrier": carrier.name})
            for request in requests:
                session.respond(request, SYSTEM_ERROR)
            return
        self._tell(session, requests, singles, early)
        if cut_after is not None:
            session.abort()

    def _tell(
        self,
        session: SmscSession,
        requests: Sequence[Pdu],
        singles: Sequence[Single],
        early: Sequence[Receipt],
    ) -> None:
        if early:
            self._deliveries.send_now(early, session)
        assert session.bound is not None  # noqa: S101 - it submitted
        smpp = session.bound.carrier.behaviour.smpp
        late = []
        for request, single in zip(requests, singles, strict=True):
            if single.answer is Answer.LOST:
                _lose(session, request, single.lose_by)
                continue
            status, body = _answer(single, smpp)
            if single.latency_s:
                due = self._clock() + single.latency_s
                late.append(_Late(due, session, request, status, body))
            else:
                session.respond(request, status, body)
        if late:
            self._late.add(late)

    def _answer_late(self, due: list[_Late]) -> None:
        for late in due:
            late.session.respond(late.request, late.status, late.body)


def _cut_after(bound: Bind, arrived: int) -> int | None:
    """Say after how many of these the connection is cut; None when it stays."""
    every = bound.carrier.behaviour.smpp.cut_every
    if every is None:
        return None
    left = every - bound.submits % every
    return left if left <= arrived else None


def _submission(request: Pdu, carrier: str) -> Submission:
    message = request.body
    assert isinstance(message, Message)  # noqa: S101 - the decoder's word
    text = read_text(message)
    tag, ref = _reference(message)
    to = message.destination
    return Submission(
        ref=ref,
        to=to if to.startswith("+") else f"+{to}",
        sender=message.source,
        text=text.text,
        validity_s=0,
        callback=SMPP + carrier,
        wants=message.registered_delivery & 3,
        reference=text.reference,
        number=text.number,
        total=text.total,
        tag=tag,
    )


def _reference(message: Message) -> tuple[int, str]:
    """Find the sender's own name for it: an attempt's id in any TLV that is left to vendors.

    What follows a slash is the part's own, and what we do not give back.
    """
    for tag, value in message.tlvs.items():
        if tag in _VENDOR_TAGS:
            named, _, part = value.rstrip(b"\0").partition(b"/")
            if _ATTEMPT.fullmatch(named):
                return 0 if part else tag, named.decode("ascii")
    return 0, ""


def _answer(single: Single, smpp: SmppBehaviour) -> tuple[int, Taken | None]:
    verdict = single.verdict
    if single.answer is Answer.THROTTLED:
        return smpp.throttle_status, None
    if single.answer is Answer.FAILED or verdict is None:
        return smpp.error_status, None
    if verdict.status is Status.REFUSED:
        return status_of(verdict.code), None
    return OK, Taken(ID_FORMS[smpp.ids](verdict.carrier_message_id))


def _lose(session: SmscSession, request: Pdu, how: str) -> None:
    if how == "close":
        session.abort()
    elif how == "error":
        session.nack(request)
    elif how == "garbage":
        session.babble()
