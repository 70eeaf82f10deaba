"""An append-only journal of JSON lines that outlives a kill of the process, and stays small.

A journal is a row of files: `carriers.jsonl`, then `carriers.jsonl.1` and so on. When one is full,
the next begins with a summary of all that was kept so far, and the oldest are deleted. So a replay
begins with the summary of what is gone and goes on fact by fact.
"""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json

MOST_BYTES = 512 * 1024 * 1024
"""What the files of one journal take together, unless told otherwise."""

_FILES = 8
SUMMARY = "summary"
"""The kind of fact that a file begins with when another was before it."""


class Journal(Protocol):
    """Keeps facts in the order they were told."""

    def append(self, fact: dict[str, Any]) -> None:
        """Keep a fact; when this returns, a kill of the process does not lose it.

        Raises OSError when it cannot be kept; then nothing of it is.
        """
        ...

    def replay(self) -> Iterator[dict[str, Any]]:
        """Return what was kept so far, oldest first."""
        ...

    def summarise(self, summary: Callable[[], dict[str, Any]]) -> None:
        """Name whom to ask what a replay needs of the facts that are deleted."""
        ...

    def close(self) -> None: ...


class NoJournal:
    """Forgets everything: records last as long as the process."""

    def append(self, fact: dict[str, Any]) -> None: ...

    def replay(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def summarise(self, summary: Callable[[], dict[str, Any]]) -> None: ...

    def close(self) -> None: ...


class FileJournal:
    """One line a fact, one write a line, at most about `most_bytes` on disk.

    A fact is in the page cache when `append` returns, so it survives the process, not the machine.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._full = most_bytes // _FILES
        self._summary: Callable[[], dict[str, Any]] | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._number = self._newest()
        _cut_half_line(self._named(self._number))
        self._file, self._size = _open(self._named(self._number))

    def append(self, fact: dict[str, Any]) -> None:
        if self._size >= self._full and self._summary is not None:
            self._begin_next(self._summary())
        self._write(fact)

    def summarise(self, summary: Callable[[], dict[str, Any]]) -> None:
        self._summary = summary

    def replay(self) -> Iterator[dict[str, Any]]:
        is_first = True
        for number in self._numbers():
            for fact in _facts(self._named(number)):
                if is_first or fact["fact"] != SUMMARY:
                    yield fact
                is_first = False

    def close(self) -> None:
        os.close(self._file)

    def _write(self, fact: dict[str, Any]) -> None:
        line = to_json(fact) + b"\n"
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, self._size)  # no half line: what follows must stay readable
            raise OSError(errno.ENOSPC, "no room for a whole line", str(self._path))
        self._size += len(line)

    def _begin_next(self, summary: dict[str, Any]) -> None:
        self.close()
        self._number += 1
        self._file, self._size = _open(self._named(self._number))
        self._write({"fact": SUMMARY, **summary})
        for number in self._numbers()[:-_FILES]:
            self._named(number).unlink()

    def _newest(self) -> int:
        """Return the newest file's number; one that a kill left without its summary goes."""
        numbers = self._numbers()
        while len(numbers) > 1 and not _has_line(self._named(numbers[-1])):
            self._named(numbers.pop()).unlink()
        return numbers[-1] if numbers else 0

    def _numbers(self) -> list[int]:
        beginning = f"{self._path.name}."
        found = [path.name.removeprefix(beginning) for path in self._path.parent.iterdir()]
        later = sorted(int(number) for number in found if number.isdigit())
        return [0, *later] if self._path.is_file() else later

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def _open(path: Path) -> tuple[int, int]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return file, path.stat().st_size


def _has_line(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def _facts(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield from_json(line)
            except ValueError as error:
                raise OSError(
                    errno.EIO, f"line {number} is not JSON: move the file away", str(path)
                ) from error


def _cut_half_line(path: Path) -> None:
    """Drop what a kill left half written: whoever sent it never got an answer."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        end = 0
        for line in file:
            if line.endswith(b"\n"):
                end += len(line)
        file.truncate(end)


def open_journal(directory: Path | None, name: str, most_bytes: int = MOST_BYTES) -> Journal:
    """Open `<directory>/<name>.jsonl`, or nothing when there is no directory."""
    if directory is None:
        return NoJournal()
    return FileJournal(directory / f"{name}.jsonl", most_bytes)
