"""What is searched for, and by which way it is found cheapest. Pure.

A search walks one index by id, that is by time, and never anything else: in ``messages`` by what
the customer names, or in ``settled`` by account and status. What no index knows is looked up for
the ids found, a chunk at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from yizhan_contracts import ids
from yizhan_contracts.events import Status

IN_FLIGHT: Final = "in-flight"
"""A status for people: accepted, and not settled yet."""
DEFAULT_REACH: Final = timedelta(hours=24)
"""How far an account's messages are searched back where nothing else is asked for."""

_FIRST_ID: Final = ids.first_message_id(0)
_LAST_ID: Final = ids.first_message_id(253_370_764_800_000)
"""Of the year 9999: the last one that has a datetime."""
_FINAL: Final = tuple(status.value for status in Status)
_WITH_REASON: Final = tuple(status for status in _FINAL if status != Status.DELIVERED)
"""What was delivered has no reason."""

Values = Mapping[str, str | tuple[str, ...]]
"""Fields of a document, and what each must be: this, or one of these."""


_NOTHING: Final[Values] = MappingProxyType({})


class BadQuery(Exception):
    """A query that cannot be meant. Its words say what to do, and hold nothing personal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for: one of the first four at least, times, and filters. "" asks nothing."""

    account_id: str = ""
    phone: str = ""
    """E.164."""
    reference: str = ""
    batch_id: str = ""
    since: datetime | None = None
    """Of the id's time, included."""
    until: datetime | None = None
    """Excluded."""
    status: str = ""
    """A Status or IN_FLIGHT."""
    reason: str = ""
    carrier_code: str = ""
    template_id: str = ""
    channel: str = ""
    """By which it was settled: messages in flight have none."""
    country: str = ""
    lane: str = ""
    text: str = ""
    """Part of the text, letter by letter but for case."""

    @property
    def is_by_account_alone(self) -> bool:
        return not (self.phone or self.reference or self.batch_id)


class Span(NamedTuple):
    """A range of ids: the first included, the last not."""

    first: str
    below: str

    def before(self, position: str) -> "Span":
        return Span(self.first, min(self.below, position))

    def after(self, position: str) -> "Span":
        # No id has this one as its beginning, so the next string is below the next id.
        return Span(max(self.first, position + "\0"), self.below)


def span_of(query: Query) -> Span:
    """Give the range of ids that were drawn between the query's times."""
    first = _FIRST_ID if query.since is None else first_id_at(query.since)
    return Span(first, _LAST_ID if query.until is None else first_id_at(query.until))


def first_id_at(at: datetime) -> str:
    """Give the smallest id of a moment."""
    return ids.first_message_id(round(at.timestamp() * 1000))


class Kept(StrEnum):
    """Where something of a message is kept."""

    MESSAGES = "messages"
    SETTLED = "settled"
    CONTENTS = "contents"


class Sieve(NamedTuple):
    """What the documents of one kind, found by their ids, must say."""

    kind: Kept
    values: Values = _NOTHING
    text: str = ""
    is_there: bool = True
    """False: there must be no such document."""


class Plan(NamedTuple):
    """How a query is answered."""

    source: Kept
    """Whose index is walked."""
    key: dict[str, str | tuple[str, ...]]
    """What stands before the id in that index."""
    also: Values
    """What else the documents of the source must say: no index knows it."""
    sieves: tuple[Sieve, ...]

    @property
    def is_by_index_alone(self) -> bool:
        return not self.also and not self.sieves

    @property
    def by(self) -> str:
        """Name what is walked, for people: one of five."""
        return "status" if self.source is Kept.SETTLED else next(reversed(self.key))


def plan_of(query: Query) -> Plan:
    """Choose the way. Raises BadQuery.

    Settled first where that is what is asked for and an account is all that is known: a status is
    in its index, and few messages have most of them. Contents last: they cost most.
    """
    _check(query)
    of_message = _given(
        recipient=query.phone,
        account_id=query.account_id,
        reference=query.reference,
        batch_id=query.batch_id,
        template_id=query.template_id,
        country=query.country,
        lane=query.lane,
    )
    of_settled = _given(
        status=query.status if query.status != IN_FLIGHT else "",
        reason=query.reason,
        carrier_code=query.carrier_code,
        channel=query.channel,
    )
    texts = (Sieve(Kept.CONTENTS, text=query.text),) if query.text else ()
    if of_settled and query.is_by_account_alone:
        return _by_settled(query, of_message, of_settled, texts)
    settled = (Sieve(Kept.SETTLED, of_settled),) if of_settled else ()
    if query.status == IN_FLIGHT:
        settled = (Sieve(Kept.SETTLED, is_there=False),)
    key: dict[str, str | tuple[str, ...]] = {name: of_message.pop(name) for name in _key_of(query)}
    return Plan(Kept.MESSAGES, key, of_message, settled + texts)


def _by_settled(
    query: Query, of_message: dict[str, str], of_settled: dict[str, str], texts: tuple[Sieve, ...]
) -> Plan:
    any_status = _WITH_REASON if query.reason else _FINAL
    key: dict[str, str | tuple[str, ...]] = {
        "account_id": of_message.pop("account_id"),
        "status": of_settled.pop("status", "") or any_status,
    }
    # A settled message does not say of which template it was.
    template = _given(template_id=of_message.pop("template_id", ""))
    by_message = (Sieve(Kept.MESSAGES, template),) if template else ()
    return Plan(Kept.SETTLED, key, of_settled | of_message, by_message + texts)


def _key_of(query: Query) -> tuple[str, ...]:
    """Choose the index of ``messages`` by what tells most."""
    if query.phone:
        return ("recipient",)
    if query.reference:
        return ("account_id", "reference")
    return ("account_id", "batch_id") if query.batch_id else ("account_id",)


def _given(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _check(query: Query) -> None:
    if not query.account_id and query.is_by_account_alone:
        raise BadQuery("name a phone, a reference, a batch or an account_id")
    if not query.account_id and not query.phone:
        raise BadQuery("a reference or a batch is an account's own: name the account_id too")
    if query.since and query.until and query.since >= query.until:
        raise BadQuery("since must be before until")
    if query.status == IN_FLIGHT and (query.reason or query.carrier_code or query.channel):
        raise BadQuery(
            "what is in flight has no reason, carrier_code or channel yet: leave them out"
        )
