"""Simulated parties by name: one comes into being when it is first named."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Party(Protocol):
    """Something whose behaviour can be set."""

    @property
    def behaviour(self) -> BaseModel: ...

    def revise(self, patch: object) -> BaseModel:
        """Merge `patch` over the behaviour in force; raises revision.Invalid."""
        ...

    def behave(self, behaviour: Any, /) -> BaseModel:  # noqa: ANN401 - its own kind's model
        """Put a behaviour in force."""
        ...


P_co = TypeVar("P_co", bound=Party, covariant=True)


class Named(Generic[P_co]):
    """All parties of one kind."""

    def __init__(self, make: Callable[[str], P_co]) -> None:
        self._make = make
        self._parties: dict[str, P_co] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._parties)

    def of(self, name: str) -> P_co:
        """Return the party of this name; ValueError when it is no name."""
        party = self._parties.get(name)
        if party is None:
            if not _NAME.fullmatch(name):
                raise ValueError("a name is 1 to 64 letters, digits, dots, hyphens, underscores")
            party = self._parties[name] = self._make(name)
        return party

    def reset(self, name: str) -> BaseModel:
        """Give a party the default behaviour."""
        party = self.of(name)
        return party.behave(type(party.behaviour)())
