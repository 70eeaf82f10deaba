"""Render without sending, and say all that would be refused. The rules are those that send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest import composing
from ingest.catalogue import Account
from ingest.codes import Code, Refusal
from ingest.content.checking import Rendered
from ingest.errors import RequestRefused
from ingest.numbers import Number, check
from ingest.optouts.domain import Stops, refusal_of
from ingest.ports import Content
from ingest.quota.wallet import PackageKind, kind_for
from ingest.rendering import fill, variables_of
from ingest.templates.matching import Match
from ingest.templates.model import Template
from yizhan_telecom.charging import charging_num
from yizhan_telecom.segments import Encoding, encoding_of, segments


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be shown. Without ``values``, a template's examples are taken."""

    template: str | None
    text: str | None
    version: int | None
    language: str | None
    values: Mapping[str, str]
    sender: str | None
    to: str | None
    countries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one message to a country takes, and of which package. Packages cover all of it."""

    country: str
    package: PackageKind
    quantity: int
    sender: Refusal | None
    """Why it could not go out under its sender there."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A message that is not sent."""

    template: Template
    language: str
    text: str
    encoding: Encoding
    segments: int
    charging_num: int
    costs: tuple[Cost, ...]
    refusals: tuple[Refusal, ...]


class Previews:
    """The use case. Raises Retryable while MongoDB is away, for a number only."""

    def __init__(self, content: Content, stops: Stops) -> None:
        self._content = content
        self._stops = stops

    async def preview(self, account: Account, asked: Asked) -> Preview:
        """Render. Raises RequestRefused (422) where there is nothing that could be shown."""
        said, wrong = _said(account, asked)
        text = fill(said.template.texts[said.language], said.values)
        rendered = Rendered(account.id, said.template, said.language, said.values, text)
        wrong += self._content.current.check(rendered)
        to, more = await self._recipient(account, asked, said.template)
        charged = charging_num(text)
        countries = (to.country,) if to else asked.countries or (account.home_region,)
        costs = tuple(_cost(account, asked, said, country, charged) for country in countries)
        senders = (cost.sender for cost in costs if cost.sender is not None)
        return Preview(
            said.template,
            said.template.tags[said.language],
            text,
            encoding_of(text),
            segments(text),
            charged,
            costs,
            (*wrong, *more, *dict.fromkeys(senders)),
        )

    async def _recipient(
        self, account: Account, asked: Asked, template: Template
    ) -> tuple[Number | None, Sequence[Refusal]]:
        if asked.to is None:
            return None, ()
        number = check(asked.to)
        if isinstance(number, Refusal):
            return None, (Refusal(number.code, "to", number.detail),)
        stops = await self._stops.find({(account.id, number.e164)})
        refusal = refusal_of(stops.get((account.id, number.e164), ()), template.category)
        return number, (refusal,) if refusal else ()


def _said(account: Account, asked: Asked) -> tuple[Match, tuple[Refusal, ...]]:
    """Find what is to be said, and what is wrong with it. Raises RequestRefused."""
    if asked.text is not None:
        match = account.matcher.match(asked.text)
        if match is None:
            raise RequestRefused.of(422, Code.TEXT_MATCHES_NONE, "text")
        return match, _unusable(account, match.template)
    template = account.template(asked.template or "", asked.version)
    if template is None:
        raise RequestRefused.of(422, Code.TEMPLATE_UNKNOWN, "template")
    language = composing.choose_language(account, template, asked.language)
    examples = {name: variable.example for name, variable in template.variables.items()}
    values = {name: asked.values.get(name) or examples[name] for name in template.variables}
    needed = variables_of(template.texts[language])
    if lacking := sorted(name for name in needed if not values[name]):
        raise RequestRefused(422, [_missing(name) for name in lacking])
    wrong = composing.check_values(
        template, {name: value for name, value in values.items() if value}
    )
    strangers = sorted(asked.values.keys() - template.variables.keys())
    unknown = (Refusal(Code.VARIABLE_UNKNOWN, f"variables.{name}") for name in strangers)
    return Match(template, language, values), (*_unusable(account, template), *wrong, *unknown)


def _missing(name: str) -> Refusal:
    return Refusal(Code.VARIABLE_MISSING, f"variables.{name}", f"{name}: no value, no example.")


def _unusable(account: Account, template: Template) -> tuple[Refusal, ...]:
    refusal = composing.usable(account, template)
    return (refusal,) if refusal else ()


def _cost(account: Account, asked: Asked, said: Match, country: str, quantity: int) -> Cost:
    kind = kind_for(account.home_region, country, said.template.category)
    sender = asked.sender or account.sender
    refusal = composing.check_sender(account, said.template, said.language, sender, country)
    return Cost(country, kind, quantity, refusal)
