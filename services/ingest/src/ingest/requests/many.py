"""One request, many recipients: each is judged, paid for and answered by itself.

The rows go through the same round as single messages. The answer is stored before it is given:
a repeat of the key gets the very same one. Without it (a crash came between), the rows tell what
was stored, and the repeat takes the rest over.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import ceil
from typing import Protocol

from pydantic import ValidationError

from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from ingest.events.identity import digest
from ingest.keys.callers import Caller
from ingest.requests.collector import Collector, Full
from ingest.requests.problems import invalid
from ingest.requests.service import AcceptRequests, Naming, Pending, body_hash
from ingest.requests.wire import Recipient, SendMany, SendRequest
from yizhan_contracts.events import BatchClosed, MessageAccepted
from yizhan_contracts.ids import RandomBits
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable

Row = MessageAccepted | RequestRefused
Outcome = MessageAccepted | Exception
Write = Callable[[SendMany, str, Sequence[Row]], bytes]
"""Makes the answer, of the request, its batch's id, and the rows' outcomes."""

_KEY = "Idempotency-Key"
_YIELD_ROWS = 25
"""Rows that are composed at a stretch: about 3 ms, in which no other request gets on."""
_recipient = Recipient.__pydantic_validator__.validate_python


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request with a key was answered, as it was written."""

    answer_id: str
    body_hash: str
    body: bytes
    given_at: datetime


@dataclass(frozen=True, slots=True)
class _Batch:
    """The rows of one request that can be messages."""

    batch_id: str
    account_id: str
    rows: Sequence[Pending]


class Answers(Protocol):
    """The store of answers. Every method raises Retryable while it is away."""

    async def find(self, answer_id: str) -> Answer | None: ...

    async def add(self, answer: Answer) -> bool:
        """Insert; False if there is one already."""
        ...


class AcceptMany:
    """Accepts many messages at once. ``collector.run`` must be running."""

    def __init__(
        self,
        requests: AcceptRequests,
        answers: Answers,
        clock: Clock,
        random_bits: RandomBits,
        *,
        timeout_s: float,
        max_waiting: int = 32,
    ) -> None:
        self._requests = requests
        self._answers = answers
        self._clock = clock
        self._random_bits = random_bits
        self._timeout_s = timeout_s
        self.collector: Collector[_Batch, Sequence[Outcome]] = Collector(
            self._round, max_round=1, max_waiting=max_waiting
        )

    async def accept(self, caller: Caller, many: SendMany, key: str | None, write: Write) -> bytes:
        """Accept what can be accepted; give what ``write`` makes of the rows' outcomes.

        Raises RequestRefused for what concerns all of them.
        """
        try:
            if key is None:
                return await self._batch(caller, many, None, write)
            naming = Naming(
                digest("requests", caller.account_id, key), body_hash(many), is_noted=False
            )
            return await self._once(caller, many, naming, write)
        except Full:
            raise RequestRefused(503, [Refusal(Code.BUSY)], retry_after_s=1) from None
        except (TimeoutError, Retryable) as error:
            wait_s, refusal = ceil(self._timeout_s), Refusal(Code.UNAVAILABLE)
            raise RequestRefused(503, [refusal], retry_after_s=wait_s) from error

    async def _once(self, caller: Caller, many: SendMany, naming: Naming, write: Write) -> bytes:
        known = await self._answers.find(naming.input_id)
        if known is None:
            body = await self._batch(caller, many, naming, write)
            mine = Answer(naming.input_id, naming.body_hash, body, self._clock.now())
            if await self._answers.add(mine):
                return body
            known = await self._answers.find(naming.input_id) or mine
        if known.body_hash != naming.body_hash:
            raise RequestRefused.of(422, Code.IDEMPOTENCY_KEY_REUSED, _KEY)
        return known.body

    async def _batch(
        self, caller: Caller, many: SendMany, naming: Naming | None, write: Write
    ) -> bytes:
        """Accept the rows as a batch, the same for a repeat of the key, and give the answer."""
        batch_id = naming.input_id[:32] if naming else f"{self._random_bits(128):032x}"
        return write(many, batch_id, await self._rows(caller, many, naming, batch_id))

    async def _rows(
        self, caller: Caller, many: SendMany, naming: Naming | None, batch_id: str
    ) -> list[Row]:
        rows = await self._prepare(caller, many, naming, batch_id)
        pending = [row for row in rows if isinstance(row, Pending)]
        batch = _Batch(batch_id, caller.account_id, pending)
        submitted = await self.collector.submit(batch, self._timeout_s) if pending else ()
        outcomes = iter(submitted)
        return [_row(next(outcomes) if isinstance(row, Pending) else row) for row in rows]

    async def _round(self, batches: Sequence[_Batch]) -> Sequence[Sequence[Outcome] | Exception]:
        return [
            await self._requests.round(batch.rows, partial(_closing, batch, self._clock))
            for batch in batches
        ]

    async def _prepare(
        self, caller: Caller, many: SendMany, naming: Naming | None, batch_id: str
    ) -> list[Pending | RequestRefused]:
        rows: list[Pending | RequestRefused] = []
        for index, recipient in enumerate(many.recipients):
            if index % _YIELD_ROWS == _YIELD_ROWS - 1:
                await asyncio.sleep(0)
            mine = replace(naming, input_id=f"{naming.input_id}.{index}") if naming else None
            row = self._prepare_row(caller, many, recipient, mine)
            rows.append(_of_batch(row, batch_id) if isinstance(row, Pending) else row)
        return rows

    def _prepare_row(
        self, caller: Caller, many: SendMany, recipient: object, naming: Naming | None
    ) -> Pending | RequestRefused:
        try:
            return self._requests.prepare(caller, _single(many, recipient), naming)
        except RequestRefused as error:
            if error.refusals[0].code is Code.ACCOUNT_NOT_VERIFIED:
                raise
            return error


def _closing(batch: _Batch, clock: Clock, outcomes: Sequence[Outcome]) -> Sequence[BatchClosed]:
    """Say that a batch is complete, with its messages; a repeat says so again."""
    accepted = tuple(one.message_id for one in outcomes if isinstance(one, MessageAccepted))
    if not accepted or any(_concerns_all(one) for one in outcomes):
        return ()
    closed = BatchClosed(
        batch_id=batch.batch_id,
        account_id=batch.account_id,
        total=len(accepted),
        message_ids=accepted,
        closed_at=clock.now(),
    )
    return (closed,)


def _of_batch(row: Pending, batch_id: str) -> Pending:
    """Say in a message which batch it is of."""
    message = row.input.message
    origin = message.origin.model_copy(update={"batch_id": batch_id})
    message = message.model_copy(update={"origin": origin})
    return replace(row, input=replace(row.input, message=message))


def _single(many: SendMany, written: object) -> SendRequest:
    """Give a row as the request that it would be alone. Raises RequestRefused."""
    try:
        recipient: Recipient = _recipient(written)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        refusals = [replace(one, code=Code.FIELD_INVALID) for one in invalid(problems).refusals]
        raise RequestRefused(422, refusals) from None
    return SendRequest.model_construct(
        to=recipient.to,
        template=many.template,
        text=None,
        version=many.version,
        language=recipient.language or many.language,
        variables=many.variables | recipient.variables,
        reference=recipient.reference,
        lane=many.lane,
        sender=many.sender,
        validity_s=many.validity_s,
    )


def _row(outcome: Outcome) -> Row:
    """Sort outcomes: a row's own refusal is told in its place, all else concerns the request."""
    if isinstance(outcome, MessageAccepted):
        return outcome
    if not isinstance(outcome, RequestRefused) or _concerns_all(outcome):
        raise outcome
    return outcome


def _concerns_all(outcome: Outcome) -> bool:
    """Tell whether a row's outcome is the request's: it is not answered row by row then."""
    if isinstance(outcome, RequestRefused):
        return outcome.refusals[0].field == _KEY
    return isinstance(outcome, Exception)
