"""What an accounts file registers: it was reviewed by whoever wrote it, in the states it names."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ingest.catalogue import Account
from ingest.rendering import signature_of
from ingest.reviews.lifecycle import WAY, Kind, Name, Taken
from ingest.senders.model import SenderId
from ingest.templates.model import Template

BY = "accounts file"


def with_senders(account: Account) -> Account:
    """Add the senders that an account of a file uses without naming them: they are approved.

    Its own, its rules' and those that its texts begin or end with. What it does name stands.
    """
    named = {(sender.value, sender.country) for sender in account.senders}
    used = {value: SenderId(value=value) for value in _used(account)}
    more = [sender for value, sender in used.items() if (value, sender.country) not in named]
    return account.model_copy(update={"senders": (*account.senders, *more)})


def _used(account: Account) -> Iterator[str]:
    yield account.sender
    yield from (rule.sender for rule in account.rules.values() if rule.sender)
    texts = (text for template in account.templates for text in template.texts.values())
    yield from filter(None, map(signature_of, texts))


def steps_of(accounts: Iterable[Account], at: datetime) -> Iterator[Taken]:
    """Give the steps that lead to what a file says."""
    for account in accounts:
        for template in account.templates:
            yield from _way(name_of_template(account.id, template), template, at)
        for sender in account.senders:
            yield from _way(name_of_sender(account.id, sender), sender, at)


def name_of_template(account_id: str, template: Template) -> Name:
    """Name a template's version."""
    return Name(Kind.TEMPLATE, account_id, template.id, template.version)


def name_of_sender(account_id: str, sender: SenderId, version: int = 1) -> Name:
    """Name a sender in its country."""
    return Name(Kind.SENDER, account_id, f"{sender.country}/{sender.value}", version)


def _way(name: Name, item: Template | SenderId, at: datetime) -> Iterator[Taken]:
    content = item.model_dump(mode="json", exclude={"state"})
    for n, step in enumerate(WAY[item.state]):
        yield Taken(name, n, step, BY, at, content=content if n == 0 else None)
