"""Which approved template a text is, and with what values. A text that is none is not sent.

The work is bounded by the length of the text, whatever the templates: from each place each variable
is tried once, and checks of values are counted. What is found is proved by filling it in again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ingest.rendering import fill, pieces
from ingest.templates.model import Template

MAX_CHECKS = 4_000
"""Values that are looked at for one text and template. Words between variables leave a handful."""


@dataclass(frozen=True, slots=True)
class Match:
    """A text as its template makes it: ``fill`` of the two gives the text back."""

    template: Template
    language: str
    """The lower-case tag of the template's text."""
    values: Mapping[str, str]


class Matcher:
    """Finds the template of a text among an account's approved ones.

    Where a text is several, the one with the most fixed characters, then the newest, is meant: a
    template that is hardly more than a variable never takes what a stricter one says.
    """

    def __init__(self, templates: Iterable[Template]) -> None:
        made = [
            _Wording(template, language, text)
            for template in templates
            if template.is_approved
            for language, text in template.texts.items()
        ]
        self._wordings = sorted(made, key=lambda wording: wording.rank)

    def match(self, text: str) -> Match | None:
        """Find the template and the values of a text."""
        for wording in self._wordings:
            values = wording.values_in(text)
            if values is not None:
                return Match(wording.template, wording.language, values)
        return None


class _Wording:
    """One text of a template, in one language."""

    def __init__(self, template: Template, language: str, text: str) -> None:
        self.template = template
        self.language = language
        self._text = text
        self._pieces = pieces(text)
        self._last = self._pieces[-1][0]
        fixed = sum(len(literal) for literal, _ in self._pieces)
        self.rank = (-fixed, -template.version, template.id, language)

    def values_in(self, text: str) -> dict[str, str] | None:
        """Give the values that make the text, each one that its variable takes."""
        first = self._pieces[0][0]
        if not text.startswith(first) or not text.endswith(self._last):
            return None
        if len(self._pieces) == 1:
            return {} if text == first else None
        values = _Search(self.template, self._pieces, text).run()
        if values is None or fill(self._text, values) != text:
            return None
        return values


class _Search:
    """Tries values from left to right, the shortest first; a place that led nowhere is left out."""

    def __init__(self, template: Template, parts: tuple[tuple[str, str], ...], text: str) -> None:
        self._template = template
        self._parts = parts
        self._text = text
        self._bound: dict[str, str] = {}
        self._dead: set[tuple[int, int]] = set()
        self._checks = MAX_CHECKS
        names = [name for _, name in parts]
        self._repeated = frozenset(name for name in names if name and names.count(name) > 1)

    def run(self) -> dict[str, str] | None:
        return self._bound if self._fits(0, 0) else None

    def _fits(self, index: int, at: int) -> bool:
        """Tell whether the parts from ``index`` on can make the text from ``at`` on."""
        literal, name = self._parts[index]
        if not self._text.startswith(literal, at):
            return False
        at += len(literal)
        if not name:
            return at == len(self._text)
        if name in self._bound:
            value = self._bound[name]
            return self._text.startswith(value, at) and self._fits(index + 1, at + len(value))
        if (index, at) in self._dead:
            return False
        return self._tries(index, at, name)

    def _tries(self, index: int, at: int, name: str) -> bool:
        variable = self._template.variables[name]
        for end in self._ends(index, at, variable.max_length):
            value = self._text[at:end]
            self._checks -= 1
            if self._checks < 0:
                return False
            if variable.refusal_of(name, value) is not None:
                continue
            self._bound[name] = value
            if self._fits(index + 1, end):
                return True
            del self._bound[name]
        # What is bound to a repeated variable decides too: such a place may yet lead somewhere.
        if not self._repeated:
            self._dead.add((index, at))
        return False

    def _ends(self, index: int, at: int, longest: int) -> Iterator[int]:
        """Give where a value from ``at`` on may end: where the words behind it stand."""
        following, following_name = self._parts[index + 1]
        bound = min(len(self._text), at + longest)
        if not following_name:
            end = len(self._text) - len(following)
            if at < end <= bound:
                yield end
            return
        end = self._text.find(following, at + 1)
        while 0 <= end <= bound:
            yield end
            end = self._text.find(following, end + 1)
