"""The lines to the providers: whose turn it is, and how many calls each carries at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_fallback.providers.base import Provider
from voice_fallback.providers_file import ProviderConfig

_REST_S = 5.0


@dataclass
class Line:
    """One provider."""

    config: ProviderConfig
    provider: Provider
    slots: asyncio.Semaphore = field(init=False)
    rests_until: float = 0.0

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.config.max_concurrent)

    @property
    def name(self) -> str:
        return self.config.name

    def rest(self, now: float) -> None:
        """Leave it alone for a while: it takes nothing."""
        self.rests_until = now + _REST_S


class Lines:
    """All lines, the preferred ones first."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = sorted(lines, key=lambda line: line.config.priority)

    def serving(self, country: str) -> list[Line]:
        """Give the lines to a country."""
        return [line for line in self._lines if line.config.serves(country)]

    def longest_silence_s(self) -> float:
        """Give the time after which no ring of any provider can still be reported."""
        return max(line.config.silence_s for line in self._lines)

    def rest_s(self, country: str, now: float) -> float:
        """Give the time until a line to a country takes part again."""
        return min((line.rests_until - now for line in self.serving(country)), default=0.0)

    def best(self, country: str, now: float) -> Line | None:
        """Choose among those that do not rest: by priority, free ones first."""
        awake = [line for line in self.serving(country) if line.rests_until <= now]
        free = [line for line in awake if not line.slots.locked()]
        return next(iter(free or awake), None)

    async def close(self) -> None:
        """Let all connections go."""
        for line in self._lines:
            await line.provider.close()
