"""Take opt-outs: from replies, from accounts and from operators."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from ingest.catalogue import Account
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Caller
from ingest.numbers import Number, check
from ingest.optouts.domain import BY_REPLY, EVERYONE, Action, Said, Stop
from ingest.optouts.store import MongoStops
from ingest.optouts.words import Wish, wish_of
from ingest.templates.model import TemplateState
from yizhan_contracts.events import ReplyReceived
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

_WISHES = {Wish.STOP: Action.OPT_OUT, Wish.START: Action.OPT_IN}


class AllAccounts(Protocol):
    """Accounts in force, from memory."""

    def accounts(self) -> Sequence[Account]: ...


class OptOuts:
    """The use cases. Every method raises Retryable while MongoDB is away."""

    def __init__(self, stops: MongoStops, catalogue: AllAccounts, clock: Clock) -> None:
        self._stops = stops
        self._catalogue = catalogue
        self._clock = clock

    async def hear(self, replies: Iterable[ReplyReceived]) -> None:
        """Take what replies ask for. At-least-once; a repeat changes nothing."""
        for reply in replies:
            wish = wish_of(reply.text)
            if wish is None:
                continue
            for scope in self._scopes(reply.recipient):
                said = Said(
                    scope, reply.sender, _WISHES[wish], BY_REPLY, reply.received_at, reply.channel
                )
                await self._stops.say(said, self._clock.now())
            log.info("a recipient's wish", extra={"wish": wish, "channel": reply.channel})

    def _scopes(self, written_to: str) -> Sequence[str]:
        """Tell whom a reply concerns: the accounts that send under that number, else everyone.

        A number that channels put in place of senders is shared by all.
        """
        number = written_to.lstrip("+")
        mine = [a.id for a in self._catalogue.accounts() if _sends_under(a, number)]
        return mine or [EVERYONE]

    async def say(self, caller: Caller, action: Action, number: str, reason: str) -> Stop:
        """Say something of a number. Raises RequestRefused (409, 422)."""
        scope, e164 = scope_of(caller), _e164(number)
        if action is Action.OPT_IN and not caller.is_operator:
            there = await self._stops.look(scope, e164)
            if there.is_opted_out and there.opted_out_by == BY_REPLY:
                raise RequestRefused.of(409, Code.OPTED_OUT_BY_RECIPIENT, "number")
        by = "operator" if caller.is_operator else f"key {caller.key}"
        said = Said(scope, e164, action, by, self._clock.now(), reason)
        return await self._stops.say(said, self._clock.now())

    async def show(self, caller: Caller, number: str) -> tuple[Stop, list[Said]]:
        """Show what holds for a number, and what was said of it. Raises RequestRefused (422)."""
        scope, e164 = scope_of(caller), _e164(number)
        return await self._stops.look(scope, e164), await self._stops.facts(scope, e164)

    async def listed(
        self, caller: Caller, since: datetime, limit: int
    ) -> Sequence[tuple[Stop, datetime]]:
        """List what changed since a moment."""
        return await self._stops.listed(scope_of(caller), since, limit)


def scope_of(caller: Caller) -> str:
    """Give the account that a caller speaks for; an operator who names none speaks for all."""
    if caller.is_operator and caller.named is None:
        return EVERYONE
    return caller.account_id


def _sends_under(account: Account, number: str) -> bool:
    return any(
        sender.value.lstrip("+") == number
        for sender in account.senders
        if sender.state is TemplateState.APPROVED
    )


def _e164(written: str) -> str:
    number = check(written)
    if not isinstance(number, Number):
        raise RequestRefused.of(422, number.code, "number", number.detail)
    return number.e164
