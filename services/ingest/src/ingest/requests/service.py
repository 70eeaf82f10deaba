"""Accept a request: check, render, store, publish, and only then say so.

Idempotency (protocol): the input is stored before it is published and noted as done after. A repeat
of its key finds done: the same answer; another body: refused; begun just now: in flight; begun long
ago: whoever began it is gone, the repeat takes over with the same ids. Two takers do no harm.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from pydantic import BaseModel

from ingest import composing
from ingest.codes import Code, Refusal
from ingest.composing import Draft
from ingest.errors import RequestRefused
from ingest.events.identity import digest
from ingest.holds import service as holding
from ingest.keys.callers import Caller
from ingest.limits.admitting import Admission
from ingest.metrics import IngestMetrics
from ingest.numbers import Number, check
from ingest.optouts.domain import Stops
from ingest.optouts.gate import stopped
from ingest.ports import Content, Input, Inputs, Publisher
from ingest.quota.purse import Purse
from ingest.quota.till import Till
from ingest.requests.collector import Collector, Full
from ingest.requests.notes import DoneNotes
from ingest.requests.wire import SendRequest
from ingest.templates import trial
from ingest.templates.matching import Match
from ingest.templates.model import Template
from yizhan_contracts import ids
from yizhan_contracts.events import Event, MessageAccepted, Origin, OriginKind
from yizhan_contracts.ids import RandomBits
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_telecom.holds import Holds


@dataclass(frozen=True, slots=True)
class Naming:
    """What makes a request known again: the name of its input, and what it said."""

    input_id: str
    body_hash: str
    is_noted: bool = True
    """A note says when it is done. Rows of a larger request have its answer instead."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request on its way into a round. Without an Idempotency-Key it cannot be repeated."""

    input: Input
    is_noted: bool
    home_region: str


Closing = Callable[[Sequence[MessageAccepted | Exception]], Sequence[Event]]
"""Makes what is published with the messages of a round, of their outcomes."""


class _Stored(NamedTuple):
    """What became of a round's inputs, by their ids, in payment and in the store."""

    leaders: Mapping[str, Pending]
    paid: Mapping[str, Input]
    unpaid: Mapping[str, RequestRefused]
    existing: Collection[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much waits, and how long."""

    request_timeout_s: float = 5.0
    max_round: int = 100
    max_waiting: int = 2000
    max_rounds: int = 2
    min_beside: int = 20
    """So many must wait for a round to begin beside another."""


class AcceptRequests:
    """Accepts messages. What ``accept`` returns from is in Kafka, acknowledged by all replicas.

    ``collector.run`` and ``notes.run`` must be running.
    """

    def __init__(  # noqa: PLR0913 - one port each
        self,
        inputs: Inputs,
        publisher: Publisher,
        content: Content,
        *,
        purse: Purse,
        stops: Stops,
        holds: Holds | None = None,
        clock: Clock,
        random_bits: RandomBits,
        metrics: IngestMetrics,
        limits: Limits = Limits(),
        admission: Admission | None = None,
    ) -> None:
        self._inputs = inputs
        self._publisher = publisher
        self._content = content
        self._purse = purse
        self._holds = Holds() if holds is None else holds
        self._stops = stops
        self._clock = clock
        self._random_bits = random_bits
        self._metrics = metrics
        self._limits = limits
        self._admission = admission
        self.notes = DoneNotes(inputs)
        self.collector: Collector[Pending, MessageAccepted] = Collector(
            self.round,
            max_round=limits.max_round,
            max_waiting=limits.max_waiting,
            max_rounds=limits.max_rounds,
            min_beside=limits.min_beside,
            observe=metrics.record_round,
        )

    async def accept(
        self, caller: Caller, request: SendRequest, idempotency_key: str | None
    ) -> MessageAccepted:
        """Accept a message, or give the one that the key stands for. Raises RequestRefused."""
        naming = _naming(caller, request, idempotency_key)
        pending = self.prepare(caller, request, naming)
        try:
            return await self.collector.submit(pending, self._limits.request_timeout_s)
        except Full:
            refusal = Refusal(Code.BUSY)
            raise RequestRefused(503, [refusal], retry_after_s=1) from None
        except (TimeoutError, Retryable) as error:
            raise self._unavailable() from error

    async def find(self, caller: Caller, message_id: str) -> MessageAccepted:
        """Find a message of the caller's account. Raises RequestRefused."""
        try:
            found = await self._inputs.find_message(message_id)
        except Retryable as error:
            raise self._unavailable() from error
        if found is None or found.message.account_id != caller.account.id:
            raise RequestRefused.of(404, Code.MESSAGE_NOT_FOUND, "message_id")
        return found.message

    def _unavailable(self) -> RequestRefused:
        # By then the first try is old enough to be taken over: earlier, the key would be in flight.
        wait_s = ceil(self._limits.request_timeout_s)
        return RequestRefused(503, [Refusal(Code.UNAVAILABLE)], retry_after_s=wait_s)

    def prepare(self, caller: Caller, request: SendRequest, naming: Naming | None) -> Pending:
        """Check and render a message. Raises RequestRefused with everything that is wrong."""
        now = self._clock.now()
        draft = make_draft(caller, request, now)
        if stopped := holding.refusal(self._holds, caller.account_id, draft.template.id):
            raise RequestRefused(409, [stopped])
        now_ms = int(now.timestamp() * 1000)
        message_id = ids.new_message_id(draft.number.e164, now_ms, self._random_bits)
        message = composing.compose(draft, message_id, now)
        if wrong := composing.check_content(self._content.current, draft, message.text):
            raise RequestRefused(422, wrong)
        home = caller.account.home_region
        if naming is None:
            return Pending(Input(message_id, message, now), is_noted=False, home_region=home)
        made = Input(naming.input_id, message, now, naming.body_hash)
        return Pending(made, naming.is_noted, home)

    async def round(
        self, pending: Sequence[Pending], closing: Closing | None = None
    ) -> Sequence[MessageAccepted | Exception]:
        """Store and publish what waits, all at once; give each its message or its refusal.

        With ``closing``, what it makes of the messages is published with them.
        """
        inputs = [item.input for item in pending]
        over = dict(await stopped(self._stops, self._inputs, inputs))
        if self._admission is not None:
            wanted = [item for item in inputs if item.input_id not in over]
            over |= await self._admission.refusals(wanted)
        within = [item for item in pending if item.input.input_id not in over]
        outcomes = iter(await self._store(within, closing) if within else ())
        return [over.get(item.input_id) or next(outcomes) for item in inputs]

    async def _store(
        self, pending: Sequence[Pending], closing: Closing | None
    ) -> Sequence[MessageAccepted | Exception]:
        leaders = {item.input.input_id: item for item in reversed(pending)}
        with self._purse.open_till() as till:
            paid, unpaid = await self._pay(leaders, till)
            till.storing()
            existing = {*await self._inputs.add(list(paid.values())), *unpaid}
            await till.settle(existing)
            stored = _Stored(leaders, paid, unpaid, existing)
            return await self._follow_up(pending, stored, closing)

    async def _pay(
        self, leaders: Mapping[str, Pending], till: Till
    ) -> tuple[dict[str, Input], dict[str, RequestRefused]]:
        """Pay for what is new as far as one can tell; a repeat is paid back when it is stored."""
        while True:
            paid: dict[str, Input] = {}
            unpaid: dict[str, RequestRefused] = {}
            for name, leader in leaders.items():
                item = leader.input
                lease = till.charge(name, item.message, leader.home_region)
                if isinstance(lease, str):
                    paid[name] = replace(item, lease=lease)
                else:
                    unpaid[name] = RequestRefused(402, lease)
            if not await till.refill():
                return paid, unpaid

    async def _follow_up(
        self,
        pending: Sequence[Pending],
        stored: _Stored,
        closing: Closing | None,
    ) -> Sequence[MessageAccepted | Exception]:
        """Publish what was stored now, or before; what could not be paid may be a repeat."""
        told, due = await self._repeats(
            [p.input for p in pending if p.input.input_id in stored.existing], stored.unpaid
        )
        first = {k: item for k, item in stored.paid.items() if k not in stored.existing}
        publish = {**first, **due}
        outcomes = {**told, **publish}
        answers = [_outcome(item.input, outcomes[item.input.input_id]) for item in pending]
        closed = closing(answers) if closing is not None else ()
        await self._publisher.publish([*(item.message for item in publish.values()), *closed])
        self.notes.add(name for name in publish if stored.leaders[name].is_noted)
        self._count(first.values(), is_repeat=False)
        self._count(due.values(), is_repeat=True)
        return answers

    async def _repeats(
        self, repeats: Sequence[Input], unpaid: Mapping[str, RequestRefused]
    ) -> tuple[dict[str, Input | RequestRefused], dict[str, Input]]:
        """Sort inputs that were there already: those that are only told, and those taken over."""
        if not repeats:
            return {}, {}
        names = {item.input_id for item in repeats}
        stored, done = await self._inputs.find(names), await self.notes.find(names)
        asked = {(item.input_id, item.body_hash) for item in repeats}
        told: dict[str, Input | RequestRefused] = {}
        due: dict[str, Input] = {}
        for name in names:
            first = stored.get(name)
            if first is None and name in unpaid:
                told[name] = unpaid[name]
            elif first is None:
                told[name] = RequestRefused(409, [_IN_FLIGHT], retry_after_s=1)
            elif name in done or (name, first.body_hash) not in asked:
                told[name] = first
            elif self._is_young(first):
                told[name] = RequestRefused(409, [_IN_FLIGHT], retry_after_s=1)
            else:
                due[name] = first
        return told, due

    def _is_young(self, first: Input) -> bool:
        age = self._clock.now() - first.begun_at
        return age < timedelta(seconds=self._limits.request_timeout_s)

    def _count(self, inputs: Iterable[Input], *, is_repeat: bool) -> None:
        lanes = ((item.message.lane, is_repeat) for item in inputs)
        self._metrics.record_messages(OriginKind.API, lanes)


_KEY = "Idempotency-Key"
_IN_FLIGHT = Refusal(Code.REQUEST_IN_FLIGHT, _KEY)


def _outcome(mine: Input, outcome: Input | RequestRefused) -> MessageAccepted | Exception:
    if isinstance(outcome, RequestRefused):
        return outcome
    if outcome.body_hash != mine.body_hash:
        return RequestRefused.of(422, Code.IDEMPOTENCY_KEY_REUSED, _KEY)
    return outcome.message


def _naming(caller: Caller, request: SendRequest, key: str | None) -> Naming | None:
    if key is None:
        return None
    return Naming(digest("request", caller.account_id, key), body_hash(request))


def body_hash(request: BaseModel) -> str:
    """Hash what a request says, not how it is written: key order and white space do not matter."""
    plain = request.model_dump(mode="json", exclude_none=True)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def make_draft(caller: Caller, request: SendRequest, now: datetime) -> Draft:
    """Check a request against the account. Raises RequestRefused with everything that is wrong."""
    account = caller.account
    if request.text is not None:
        return _raw_draft(caller, request, request.text, now)
    template = _template(caller, request)
    unusable = composing.usable(account, template)
    if unusable is not None and unusable.code is Code.ACCOUNT_NOT_VERIFIED:
        raise RequestRefused(403, [unusable])
    number = check(request.to)
    wrong = [unusable] if unusable is not None else []
    if isinstance(number, Refusal):
        wrong.append(replace(number, field="to"))
    if template is not None:
        wrong += composing.check_values(template, request.variables)
        wrong += _unknown_variables(template, request)
    if wrong or template is None or isinstance(number, Refusal):
        raise RequestRefused(422, wrong)
    language = composing.choose_language(account, template, request.language)
    said = Match(template, language, request.variables)
    return _draft(caller, request, said, number, now)


def _template(caller: Caller, request: SendRequest) -> Template | None:
    """Find the template; the one for trying things out is there for test keys only."""
    if caller.test and request.template == trial.TEMPLATE.id:
        return trial.TEMPLATE
    return caller.account.template(request.template or "", request.version)


def _raw_draft(caller: Caller, request: SendRequest, text: str, now: datetime) -> Draft:
    """Find what an approved template would have to be filled with to make the text."""
    account, number = caller.account, check(request.to)
    if not account.is_verified:
        raise RequestRefused(403, [composing.not_verified(account)])
    said = account.matcher.match(text)
    wrong = [] if said else [Refusal(Code.TEXT_MATCHES_NONE, "text")]
    if isinstance(number, Refusal):
        wrong.append(replace(number, field="to"))
    if said is None or isinstance(number, Refusal):
        raise RequestRefused(422, wrong)
    return _draft(caller, request, said, number, now)


def _draft(
    caller: Caller, request: SendRequest, said: Match, number: Number, now: datetime
) -> Draft:
    account, sender = caller.account, request.sender or caller.account.sender
    no = composing.check_sender(account, said.template, said.language, sender, number.country)
    if no is not None and said.template is not trial.TEMPLATE:
        raise RequestRefused(422, [no])
    return Draft(
        account=account,
        template=said.template,
        language=said.language,
        values=said.values,
        number=number,
        lane=request.lane,
        sender=sender,
        validity_s=request.validity_s or account.validity_s,
        reference=request.reference,
        origin=Origin(kind=OriginKind.API, arrived_at=now),
        test=caller.test or account.is_test_number(number.e164),
    )


def _unknown_variables(template: Template, request: SendRequest) -> list[Refusal]:
    unknown = sorted(request.variables.keys() - template.variables.keys())
    return [
        Refusal(Code.VARIABLE_UNKNOWN, f"variables.{name}", f"{template.id} has no {name}.")
        for name in unknown
    ]
