"""Texts as word lists see them: compatibility forms and case gone, what hides letters taken out."""

import re
import unicodedata
from collections.abc import Iterator

# Soft hyphen, combining grapheme joiner, zero-width and invisible characters, variation selectors,
# tags: nobody sees them.
_INVISIBLE = (
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE0080),
)
# What is put between letters to part a word. Sentence marks stay: over a full stop there is no
# word.
_SEPARATORS = " \t\r\n.-_*·•~|/\\+=^'`\"‐‑‒–—―"
_BETWEEN = re.compile(f"[{re.escape(_SEPARATORS)}]+")
_DELETED = dict.fromkeys([*_INVISIBLE, *map(ord, _SEPARATORS)])


def normalise(text: str) -> str:
    """Fold a text: NFKC, case, then separators and invisible characters deleted."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.casefold().translate(_DELETED)


def origins(text: str) -> tuple[str, list[int]]:
    """Fold a text piece by piece; give the result and, for each character of it, where it was.

    The result is ``normalise(text)`` but for scripts that compose over what is cut here (Hangul
    letter by letter): compare the two before places are told.
    """
    folded: list[str] = []
    places: list[int] = []
    for at, cluster in _clusters(text):
        plain = normalise(cluster)
        folded.append(plain)
        places += [at] * len(plain)
    return "".join(folded), places


def is_spaced(char: str) -> bool:
    """Tell a letter or digit of a script that parts its words: no match may begin inside one."""
    return char < "\u0e00" and char.isalnum()


def is_deleted(char: str) -> bool:
    """Tell what ``normalise`` deletes."""
    return ord(char) in _DELETED


def parts_of(text: str) -> list[str]:
    """Give the folded parts of a text that separators, not invisible characters, keep apart."""
    return [part for part in map(normalise, _BETWEEN.split(text)) if part]


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Cut into characters, each with the combining marks behind it."""
    begin = 0
    for at in range(1, len(text)):
        if not unicodedata.combining(text[at]):
            yield begin, text[begin:at]
            begin = at
    if text:
        yield begin, text[begin:]
