"""The accounts in force, in memory: asked for every message, changed by feeds."""

from collections.abc import Sequence

from ingest.catalogue import Account, AccountFacts
from ingest.senders.model import SenderId
from ingest.templates.model import Template


class Snapshot:
    """Implements ``ports.Catalogue``. Puts together what different collections know."""

    def __init__(self) -> None:
        self._facts: dict[str, AccountFacts] = {}
        self._templates: dict[str, tuple[Template, ...]] = {}
        self._senders: dict[str, tuple[SenderId, ...]] = {}
        self._accounts: dict[str, Account] = {}

    def account(self, account_id: str) -> Account | None:
        return self._accounts.get(account_id)

    def accounts(self) -> tuple[Account, ...]:
        """Give all of them."""
        return tuple(self._accounts.values())

    def put_facts(self, facts: AccountFacts) -> None:
        """Take an account's own facts over."""
        self._facts[facts.id] = facts
        self._compose(facts.id)

    def put_templates(self, account_id: str, templates: Sequence[Template]) -> None:
        """Take all templates of an account over, known or not."""
        self._templates[account_id] = tuple(templates)
        self._compose(account_id)

    def put_senders(self, account_id: str, senders: Sequence[SenderId]) -> None:
        """Take all senders of an account over, known or not."""
        self._senders[account_id] = tuple(senders)
        self._compose(account_id)

    def _compose(self, account_id: str) -> None:
        facts = self._facts.get(account_id)
        if facts is not None:
            # Both are checked already, and a rule may name a template that is to come.
            self._accounts[account_id] = Account.model_construct(
                **{name: getattr(facts, name) for name in AccountFacts.model_fields},
                templates=self._templates.get(account_id, ()),
                senders=self._senders.get(account_id, ()),
            )
