"""Register templates and senders, and decide about them. Every step is kept with who took it."""

from collections.abc import Sequence
from typing import Any, Protocol

from ingest.catalogue import Account
from ingest.codes import Code
from ingest.content.checking import check_template
from ingest.errors import RequestRefused
from ingest.ports import Content
from ingest.rendering import language_chain
from ingest.reviews.book import Book
from ingest.reviews.lifecycle import (
    Kind,
    Name,
    NotPossibleError,
    Registered,
    Step,
    Taken,
    after,
)
from ingest.reviews.seeds import name_of_sender, steps_of
from ingest.senders.model import SenderId
from ingest.templates.model import Template, TemplateState
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

MAX_REGISTERED = 2_000
"""Versions of templates, or senders, of one account: all are held in memory."""

_TRIES = 5
_OVER = frozenset({TemplateState.REJECTED, TemplateState.RETIRED})


class Store(Protocol):
    """Where steps are kept. Every method raises Retryable while it is away."""

    async def load(self) -> None:
        """Hand over all there is."""
        ...

    async def add(self, taken: Taken) -> bool:
        """Store a step; False if somebody else took that one."""
        ...

    async def add_new(self, steps: Sequence[Taken]) -> None:
        """Store steps that are not there yet; the others stay as they are."""
        ...


class Reviews:
    """The registry's use cases. A change is in force here at once, elsewhere within a second.

    Repeats are harmless: what is registered already in that wording, or decided already in that
    way, is shown as it is. Raises Retryable while MongoDB is away.
    """

    def __init__(self, book: Book, store: Store, content: Content, clock: Clock) -> None:
        self._book = book
        self._store = store
        self._content = content
        self._clock = clock

    async def seed(self, accounts: Sequence[Account]) -> None:
        """Bring in what a file says, then all that is stored. Idempotent.

        A version that is there stays as it was registered: a text that people approved is not
        changed behind their backs.
        """
        steps = list(steps_of(accounts, self._clock.now()))
        await self._store.add_new(steps)
        with self._book.held():
            await self._store.load()
        for step in steps:
            there = self._book.find(step.of)
            if there is not None and step.content and step.content != there.content:
                log.warning(
                    "the file says something else of it: give that a version of its own",
                    extra={"kind": step.of.kind, "account": step.of.account_id},
                )

    async def register_template(self, account: Account, wanted: Template, by: str) -> Registered:
        """Register the next version of a template, as a draft. Raises RequestRefused (409, 422)."""
        if not set(language_chain(account.locale)) & wanted.texts.keys():
            detail = f"Add a text in {account.locale}: other languages fall back to it."
            raise RequestRefused.of(422, Code.FIELD_INVALID, "languages", detail)
        if wrong := check_template(self._content.current, account.id, wanted):
            raise RequestRefused(422, wrong)
        content = wanted.model_dump(mode="json", exclude={"state", "version"})
        return await self._register(Kind.TEMPLATE, account.id, wanted.id, content, by)

    async def register_sender(self, account: Account, wanted: SenderId, by: str) -> Registered:
        """Register a sender for a country, as a draft. Raises RequestRefused (409)."""
        name = name_of_sender(account.id, wanted).name
        there = self._book.versions(Kind.SENDER, account.id, name)
        if there and there[-1].state not in _OVER:
            return there[-1]
        content = wanted.model_dump(mode="json", exclude={"state"})
        return await self._register(Kind.SENDER, account.id, name, content, by)

    async def _register(
        self, kind: Kind, account_id: str, name: str, content: dict[str, Any], by: str
    ) -> Registered:
        for _ in range(_TRIES):
            if len(self._book.of_account(kind, account_id)) >= MAX_REGISTERED:
                raise RequestRefused.of(409, Code.REGISTRY_FULL)
            there = self._book.versions(kind, account_id, name)
            if there and there[-1].state not in _OVER and _same(there[-1], content):
                return there[-1]
            version = there[-1].name.version + 1 if there else 1
            full = content | {"version": version} if kind is Kind.TEMPLATE else content
            first = Taken(
                Name(kind, account_id, name, version),
                0,
                Step.CREATE,
                by,
                self._clock.now(),
                content=full,
            )
            if await self._store.add(first):
                return self._found(first.of)
        raise RequestRefused.of(409, Code.STEP_NOT_POSSIBLE, detail="Others change it just now.")

    async def take(self, name: Name, step: Step, by: str, reason: str = "") -> Registered:
        """Take a step with a version. Raises RequestRefused (404, 409, 422)."""
        if step is Step.REJECT and not reason.strip():
            raise RequestRefused.of(422, Code.REASON_MISSING, "reason")
        for _ in range(_TRIES):
            there = self._found(name)
            if there.steps[-1].step is step:
                return there
            try:
                after(there.state, step)
            except NotPossibleError as error:
                raise RequestRefused.of(409, Code.STEP_NOT_POSSIBLE, detail=str(error)) from None
            taken = Taken(name, len(there.steps), step, by, self._clock.now(), reason)
            if await self._store.add(taken):
                log.info("a step of a review", extra={"kind": name.kind, "step": step})
                return self._found(name)
        raise RequestRefused.of(409, Code.STEP_NOT_POSSIBLE, detail="Others change it just now.")

    def show(self, kind: Kind, account_id: str, name: str) -> list[Registered]:
        """Give the versions of one name. Raises RequestRefused (404)."""
        found = self._book.versions(kind, account_id, name)
        if not found:
            raise RequestRefused.of(404, Code.NOT_REGISTERED)
        return found

    def listed(
        self, kind: Kind, account_id: str, state: TemplateState | None = None
    ) -> list[Registered]:
        """Give what an account registered."""
        found = self._book.of_account(kind, account_id)
        return [one for one in found if state is None or one.state is state]

    def pending(self) -> list[Registered]:
        """Give what waits for a reviewer, of all accounts."""
        return self._book.pending()

    def _found(self, name: Name) -> Registered:
        found = self._book.find(name)
        if found is None:
            raise RequestRefused.of(404, Code.NOT_REGISTERED)
        return found


def _same(there: Registered, content: dict[str, Any]) -> bool:
    return {**there.content, "version": 0} == {**content, "version": 0}
