"""All that is registered, in memory, in the state that it has come to."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ingest.reviews.lifecycle import Kind, Name, Registered, Taken, fold
from ingest.senders.model import SenderId
from ingest.templates.model import Template, TemplateState

PutTemplates = Callable[[str, Sequence[Template]], None]
PutSenders = Callable[[str, Sequence[SenderId]], None]


class Book:
    """Takes steps in any order and tells the accounts' snapshot what came of them."""

    def __init__(self, put_templates: PutTemplates, put_senders: PutSenders) -> None:
        self._put_templates = put_templates
        self._put_senders = put_senders
        self._held: set[tuple[Kind, str]] | None = None
        self._steps: dict[Name, dict[int, Taken]] = defaultdict(dict)
        self._registered: dict[tuple[Kind, str], dict[Name, Registered]] = defaultdict(dict)
        self._models: dict[tuple[Kind, str], dict[Name, Template | SenderId]] = defaultdict(dict)

    def take(self, taken: Taken) -> None:
        """Take a step; one that is known changes nothing."""
        steps = self._steps[taken.of]
        if taken.n in steps:
            return
        steps[taken.n] = taken
        registered = fold(list(steps.values()))
        if registered is None:
            return
        key = (taken.of.kind, taken.of.account_id)
        self._registered[key][taken.of] = registered
        self._models[key][taken.of] = _model(registered)
        if self._held is None:
            self._tell(*key)
        else:
            self._held.add(key)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take many steps and tell what came of them once, at the end."""
        self._held = set()
        try:
            yield
        finally:
            keys, self._held = self._held, None
            for key in keys:
                self._tell(*key)

    def find(self, name: Name) -> Registered | None:
        return self._registered[name.kind, name.account_id].get(name)

    def of_account(self, kind: Kind, account_id: str) -> list[Registered]:
        """Give all versions that an account registered, by name and version."""
        found = self._registered[kind, account_id].values()
        return sorted(found, key=lambda item: (item.name.name, item.name.version))

    def versions(self, kind: Kind, account_id: str, name: str) -> list[Registered]:
        """Give the versions of one name, the oldest first."""
        return [one for one in self.of_account(kind, account_id) if one.name.name == name]

    def pending(self) -> list[Registered]:
        """Give what waits for a reviewer, of all accounts, the oldest first."""
        waiting = [item for item in self._all() if item.state is TemplateState.PENDING]
        return sorted(waiting, key=lambda item: item.steps[-1].at)

    def _all(self) -> Iterator[Registered]:
        for items in self._registered.values():
            yield from items.values()

    def _tell(self, kind: Kind, account_id: str) -> None:
        # The newest version last: of a sender it is the one that counts.
        ordered = sorted(self._models[kind, account_id].items(), key=lambda item: item[0].version)
        models = [model for _, model in ordered]
        if kind is Kind.TEMPLATE:
            self._put_templates(account_id, [m for m in models if isinstance(m, Template)])
        else:
            self._put_senders(account_id, [m for m in models if isinstance(m, SenderId)])


def _model(registered: Registered) -> Template | SenderId:
    fields = {**registered.content, "state": registered.state}
    model = Template if registered.name.kind is Kind.TEMPLATE else SenderId
    return model.model_validate(fields, extra="ignore")
