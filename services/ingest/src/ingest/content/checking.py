"""Whether a rendered text may go out: words, marketing, links. Refusals name rule and place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ingest.codes import Code, Refusal
from ingest.content.injections import find_link
from ingest.content.words import WordList
from ingest.rendering import pieces
from ingest.templates.model import Category, Template

_NONE = WordList(())


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, and what it was made of: places are told in its parts."""

    account_id: str
    template: Template
    language: str
    """The lower-case tag of the template's text."""
    values: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class ContentRules:
    """The lists in force. Never changed: a new one takes its place whole."""

    sensitive: WordList = _NONE
    marketing: WordList = _NONE
    by_account: Mapping[str, WordList] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def size(self) -> int:
        """Count the words of all lists."""
        lists = (self.sensitive, self.marketing, *self.by_account.values())
        return sum(len(words.words) for words in lists)

    def check(self, rendered: Rendered) -> tuple[Refusal, ...]:
        """Find what is wrong with a text, one refusal a rule. The text itself stays out of it."""
        return tuple(self._wrong(rendered))

    def _wrong(self, rendered: Rendered) -> Iterator[Refusal]:
        own = self.by_account.get(rendered.account_id, _NONE)
        for words in (self.sensitive, own):
            if hit := next(words.find(rendered.text), None):
                yield _refusal(Code.CONTENT_SENSITIVE_WORD, rendered, hit.start, hit.end)
                break
        if rendered.template.category is not Category.MARKETING and (
            hit := next(self.marketing.find(rendered.text), None)
        ):
            yield _refusal(Code.CONTENT_MARKETING, rendered, hit.start, hit.end)
        if (at := _forbidden_link(rendered)) is not None:
            yield _refusal(Code.CONTENT_LINK, rendered, at, at + 1)


def check_template(rules: ContentRules, account_id: str, template: Template) -> tuple[Refusal, ...]:
    """Find what would be refused in every message of a template: its words, before a reviewer.

    Fields are ``languages.<tag>``.
    """
    return tuple(_wrong_in(rules, account_id, template))


def _wrong_in(rules: ContentRules, account_id: str, template: Template) -> Iterator[Refusal]:
    for language, text in template.texts.items():
        # A letter that no word goes on over: what is around a variable is not one word.
        blanks = dict.fromkeys(template.variables, "\N{OBJECT REPLACEMENT CHARACTER}")
        fixed = "".join(lit + (blanks[name] if name else "") for lit, name in pieces(text))
        rendered = Rendered(account_id, template, language, blanks, fixed)
        for refusal in rules.check(rendered):
            field_name = f"languages.{template.tags[language]}"
            yield Refusal(refusal.code, field_name, refusal.detail, refusal.offset)


def _forbidden_link(rendered: Rendered) -> int | None:
    """Find a link where none was reviewed: also one that words and values make together."""
    template = rendered.template
    if template.category is not Category.VERIFICATION and template.has_links:
        return None
    return find_link(rendered.text)


def _refusal(code: Code, rendered: Rendered, start: int, end: int) -> Refusal:
    name, at = place(rendered, start, end)
    return Refusal(code, name, f"At character {at + 1} of {name}.", at)


def place(rendered: Rendered, start: int, end: int) -> tuple[str, int]:
    """Say in which variable a stretch of the text is, or begins to be; else in the fixed words."""
    at = 0
    for literal, name in pieces(rendered.template.texts[rendered.language]):
        at += len(literal)
        if not name:
            break
        begin, at = at, at + len(rendered.values[name])
        if begin < end and start < at:
            return f"variables.{name}", max(0, start - begin)
    return "text", start
