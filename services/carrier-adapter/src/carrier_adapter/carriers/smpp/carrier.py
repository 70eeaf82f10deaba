"""A channel's carrier behind SMPP: its binds, what is submitted over them and what they bring."""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Answer,
    Answered,
    BoundChanged,
    Cause,
    Lost,
    MayWrite,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.carriers.smpp.incoming import Ids, Incoming, Receiving
from carrier_adapter.carriers.smpp.jobs import Job, Outcome
from carrier_adapter.carriers.smpp.links import KINDS, Link, Watch
from carrier_adapter.carriers.smpp.statuses import judge
from carrier_adapter.carriers.smpp.tls import context
from carrier_adapter.carriers.smpp.wording import Writer
from carrier_adapter.metrics import SmppMetrics
from yizhan_contracts.events import ChannelConfigured, SmppBind, SmppOptions
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger
from yizhan_smpp import constants as c
from yizhan_smpp.client import Address
from yizhan_smpp.errors import EncodeError
from yizhan_smpp.handler import Failure, Handler, Reply, SessionOptions
from yizhan_smpp.pdu import Bind, Pdu, Taken
from yizhan_smpp.session import Session

log = get_logger(__name__)

LATE_ANSWERS = 3.0
"""An answer is waited for this many submit timeouts: after the first it is in doubt, and news."""
_UNBIND_S = 2.0
_RETRY_S = 0.25
"""A part that is throttled while others of its message are there waits so long."""
_NOT_BOUND = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "not bound")
_UNWRITTEN = NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "the bind ended before it was sent")
_FAILURES: dict[Failure, NotTaken | Lost] = {
    Failure.NOT_WRITTEN: _UNWRITTEN,
    Failure.LOST: Lost("the bind ended without an answer"),
    Failure.SILENT: Lost("no answer"),
    Failure.UNREADABLE: Lost("an answer that cannot be read"),
}


class SmppCarrier(Handler):
    """One channel's binds to its carrier. Made and followed inside the running loop.

    A part is written only while its bind's window has room; what waits for room is held here, and
    ``may_write`` is asked again at the moment it goes. No bind left: what waits was not taken.
    """

    def __init__(
        self,
        config: ChannelConfigured,
        options: SmppOptions,
        password: str,
        environment: Mapping[str, str],
        receiving: Receiving,
        clock: Clock,
        metrics: SmppMetrics,
    ) -> None:
        self._config = config
        self._receiving = receiving
        self._metrics = metrics
        self._ids = Ids(options.message_ids)
        self._writer = Writer(options)
        self._incoming = Incoming(config, options, self._ids, receiving)
        self._references = itertools.count(secrets.randbelow(0x10000))
        self._waiting: deque[tuple[Job, int]] = deque()
        self._sending: list[Session] = []
        self._bound_changed: BoundChanged | None = None
        self._tasks: list[asyncio.Task[None]] = []
        bind = Bind(options.system_id, password, options.system_type)
        session = SessionOptions(
            window=max(1, config.window // options.binds),
            response_s=config.submit_timeout_s,
            give_up_s=config.submit_timeout_s * LATE_ANSWERS,
            enquire_link_s=options.enquire_link_s,
        )
        address = _address(config.url, options, environment)
        watch = Watch(self._is_up, self._is_down, metrics.bind_failed)
        self._links = [
            Link(config.channel, command, address, bind, self, session, clock=clock, watch=watch)
            for command in _commands(options)
        ]

    # --- the port ----------------------------------------------------------------------------

    def follow(self, bound_changed: BoundChanged) -> None:
        """Begin to bind, and tell when the first bind that sends is up and the last one gone."""
        self._bound_changed = bound_changed
        bound_changed(is_bound=False)
        self._tasks = [asyncio.create_task(link.run()) for link in self._links]
        self._tasks.append(asyncio.create_task(self._incoming.run()))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def submit(
        self, batch: Sequence[Submission], may_write: MayWrite, answered: Answered
    ) -> None:
        """Hand messages over; ends when each has its answer."""
        done = asyncio.Event()
        left = len(batch)

        def concluded(attempt_id: str, answer: Answer) -> None:
            nonlocal left
            answered(attempt_id, answer)
            left -= 1
            if left == 0:
                done.set()

        jobs = [job for one in batch if (job := self._job(one, may_write, concluded)) is not None]
        for job in jobs:
            self._queue(job, range(1))
        self._pump()
        try:
            await done.wait()
        finally:
            for job in jobs:
                job.is_done = True

    async def is_up(self) -> bool:
        """Tell whether a bind is there that sends."""
        return bool(self._sending)

    async def close(self) -> None:
        """Unbind where the SMSC does its part soon enough, then hang up."""
        unbinding = [asyncio.create_task(link.unbind()) for link in self._links]
        await asyncio.wait(unbinding, timeout=_UNBIND_S)
        tasks = [*unbinding, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what sessions tell ------------------------------------------------------------------

    def on_request(self, session: Session, request: Pdu) -> None:
        if request.command in (c.DELIVER_SM, c.DATA_SM):
            self._incoming.put(session, request)
        else:
            session.respond(request, c.INVALID_COMMAND)

    def on_room(self, session: Session) -> None:  # noqa: ARG002
        if self._waiting:
            self._pump()

    def on_malformed(self, session: Session, problem: str) -> None:  # noqa: ARG002
        self._metrics.malformed.inc()
        log.warning(
            "an unreadable PDU", extra={"channel": self._config.channel, "problem": problem}
        )

    def _is_up(self, link: Link) -> None:
        self._metrics.bound(KINDS[link.command], 1)
        if link.command == c.BIND_RECEIVER or link.session is None:
            return
        self._sending.append(link.session)
        if len(self._sending) == 1 and self._bound_changed is not None:
            self._bound_changed(is_bound=True)
        self._pump()

    def _is_down(self, link: Link) -> None:
        self._metrics.bound(KINDS[link.command], -1)
        was_bound = bool(self._sending)
        self._sending = [
            each.session
            for each in self._links
            if each.session is not None and each.command != c.BIND_RECEIVER
        ]
        if was_bound and not self._sending:
            self._fail_waiting()
            if self._bound_changed is not None:
                self._bound_changed(is_bound=False)
        else:
            self._pump()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """End the process rather than go on without a bind, or without receipts."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._receiving.fail(error)

    # --- on the way --------------------------------------------------------------------------

    def _job(self, one: Submission, may_write: MayWrite, concluded: Answered) -> Job | None:
        """Word a message; one that cannot be worded has its answer at once."""
        wording = self._writer.write(one, next(self._references))
        if isinstance(wording, Refused):
            concluded(one.attempt_id, wording)
            return None
        messages, segments = wording
        return Job(one.attempt_id, messages, segments, may_write, concluded)

    def _queue(self, job: Job, places: range) -> None:
        """Queue parts; those of a message that is begun go first."""
        job.under_way += len(places)
        if places and places[0] == 0:
            self._waiting.append((job, 0))
        else:
            self._waiting.extendleft((job, place) for place in reversed(places))

    def _pump(self) -> None:
        """Write what waits, as far as there is room."""
        if not self._sending:
            self._fail_waiting()
        while self._waiting:
            session = max(self._sending, key=_room)
            room = session.room
            if room <= 0:
                return
            for _ in range(min(room, len(self._waiting))):
                self._write(session, *self._waiting.popleft())
            session.flush()

    def _write(self, session: Session, job: Job, place: int) -> None:
        if job.is_done:
            return
        if job.failed is not None or not job.may_write():
            self._settle(job, place, TOO_LATE)
            return
        try:
            session.request(c.SUBMIT_SM, job.parts[place], partial(self._replied, job, place))
            self._metrics.parts.inc()
        except EncodeError as error:
            self._settle(job, place, Refused("", Reason.CARRIER_ERROR, str(error)))

    def _replied(self, job: Job, place: int, reply: Reply) -> None:
        outcome = self._outcome(reply)
        if not isinstance(outcome, str) and job.may_retry(outcome):
            asyncio.get_running_loop().call_later(_RETRY_S, self._again, job, place)
            return
        self._settle(job, place, outcome)

    def _outcome(self, reply: Reply) -> Outcome:
        if isinstance(reply, Failure):
            return _FAILURES[reply]
        if reply.status != c.OK:
            return judge(reply.status, self._config.reasons)
        body = reply.body
        return (
            self._ids.of_answer(body.message_id)
            if isinstance(body, Taken)
            else _FAILURES[Failure.UNREADABLE]
        )

    def _settle(self, job: Job, place: int, outcome: Outcome) -> None:
        job.settle(place, outcome)
        self._queue(job, job.next_places())
        job.conclude()

    def _again(self, job: Job, place: int) -> None:
        self._waiting.appendleft((job, place))
        self._pump()

    def _fail_waiting(self) -> None:
        """Say of what waits that it was not taken: no bind is left to take it."""
        while self._waiting:
            job, place = self._waiting.popleft()
            self._settle(job, place, _NOT_BOUND)


def _room(session: Session) -> int:
    return session.room


def _commands(options: SmppOptions) -> list[int]:
    if options.bind is SmppBind.PAIR:
        return [c.BIND_TRANSMITTER, c.BIND_RECEIVER] * options.binds
    return [c.BIND_TRANSCEIVER] * options.binds


def _address(url: str, options: SmppOptions, environment: Mapping[str, str]) -> Address:
    """Read ``smpp[s]://host:port``. Raises TlsError where TLS cannot be set up."""
    parts = urlsplit(url)
    tls = context(options, environment) if parts.scheme == "smpps" else None
    return Address(parts.hostname or "", parts.port or 2775, tls, options.server_name)
