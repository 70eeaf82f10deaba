"""Word lists from files: read whole, checked, put in force at once, and again when they change.

``sensitive.txt`` and ``marketing.txt`` hold for everybody, ``accounts/<account>.txt`` for one
account beside them. One word or phrase a line; what follows a # is a remark.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from ingest.content.checking import ContentRules
from ingest.content.normalising import normalise
from ingest.content.words import WordList
from ingest.errors import BadCatalogue
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
_MAX_WORDS = 200_000

Stamp = tuple[tuple[str, int, int], ...]


class WordFiles:
    """Holds the rules in force. A reader takes ``current`` once and has one whole set of lists."""

    def __init__(self, folder: Path) -> None:
        """Load. Raises BadCatalogue: a process does not start with lists that it cannot read."""
        self._folder = folder
        self.looked_at = _stamp(folder)
        self.current = load_rules(folder)

    async def follow(self, clock: Clock) -> None:
        """Look for changes for ever. Files that are wrong are named, and change nothing."""
        while True:
            await clock.sleep(LOOK_EVERY_S)
            stamp = _stamp(self._folder)
            if stamp == self.looked_at:
                continue
            try:
                # 10,000 words take 30 ms: not on the loop that answers requests.
                self.current = await asyncio.to_thread(load_rules, self._folder)
            except BadCatalogue as error:
                log.error("word lists stay as they were", extra={"why": str(error)})  # noqa: TRY400
            else:
                log.info("word lists are in force", extra={"words": self.current.size})
            self.looked_at = stamp


def load_rules(folder: Path) -> ContentRules:
    """Read all files. Raises BadCatalogue with file, line and what to do."""
    accounts = sorted((folder / "accounts").glob("*.txt"))
    return ContentRules(
        sensitive=_load(folder / "sensitive.txt"),
        marketing=_load(folder / "marketing.txt"),
        by_account={path.stem: _load(path) for path in accounts},
    )


def _load(path: Path) -> WordList:
    try:
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadCatalogue(
            f"{path}: cannot be read ({type(error).__name__}): save it as UTF-8"
        ) from error
    words = dict.fromkeys(_words_in(text, path))
    if len(words) > _MAX_WORDS:
        raise BadCatalogue(f"{path}: over {_MAX_WORDS} words: split the deployment, or the list")
    return WordList(words)


def _words_in(text: str, path: Path) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        if not normalise(word):
            raise BadCatalogue(f"{path}, line {number}: nothing but separators: take it out")
        yield word


def _stamp(folder: Path) -> Stamp:
    """Name the files and their times: a list that is replaced has another one."""
    found = sorted([*folder.glob("*.txt"), *folder.glob("accounts/*.txt")])
    return tuple((str(path), *_when(path)) for path in found)


def _when(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:  # replaced just now
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
