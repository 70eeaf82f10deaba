"""An append-only file of JSON lines that outlives a kill of the process."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json


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

    def close(self) -> None: ...


class NoJournal:
    """Forgets everything: records last as long as the process."""

    def append(self, fact: dict[str, Any]) -> None: ...

    def replay(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def close(self) -> None: ...


class FileJournal:
    """One file, one line a fact, one write a line.

    A fact is in the page cache when `append` returns, so it survives the process, not the machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_half_line(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = path.stat().st_size

    def append(self, fact: dict[str, Any]) -> None:
        line = to_json(fact) + b"\n"
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, self._size)  # no half line: what follows must stay readable
            raise OSError(errno.ENOSPC, "no room for a whole line", str(self._path))
        self._size += len(line)

    def replay(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield from_json(line)
                except ValueError as error:
                    raise OSError(
                        errno.EIO, f"line {number} is not JSON: move the file away", str(self._path)
                    ) from error

    def close(self) -> None:
        os.close(self._file)


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


def open_journal(directory: Path | None, name: str) -> Journal:
    """Open `<directory>/<name>.jsonl`, or nothing when there is no directory."""
    return NoJournal() if directory is None else FileJournal(directory / f"{name}.jsonl")
