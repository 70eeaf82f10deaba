"""One program of the stack, started again whenever it ends without having been told to."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from yizhan_local import process
from yizhan_local.process import Child

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
STEADY_AFTER_S = 30.0
"""A program that ran this long before it ended begins again with the shortest delay."""

STOP_TIMEOUT_S = 30.0
"""Longer than a service takes to drain."""


class Supervised:
    """Keeps one program running from `start()` to `stop()`; any thread may call it at any time."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.command = command
        self.env = env
        self.log = log
        self.restarts = 0
        self._on_change = on_change
        self._guard = threading.RLock()
        self._stopped = threading.Event()
        self._stopped.set()
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The pid, None while it does not run."""
        child = self._child
        return child.pid if child is not None and child.is_running() else None

    @property
    def is_wanted(self) -> bool:
        """Tell whether it is meant to run."""
        return not self._stopped.is_set()

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._guard:
            if self.is_wanted:
                return
            self._stopped = threading.Event()
            child = self._spawn()
        watch = threading.Thread(
            target=self._watch, args=(child, self._stopped), name=f"watch-{self.name}", daemon=True
        )
        watch.start()
        self._on_change()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Stop it for good by SIGTERM, after the timeout by SIGKILL; True if SIGTERM was enough."""
        with self._guard:
            self._stopped.set()
            child = self._child
        was_enough = child is None or process.stop(child, timeout_s)
        self._on_change()
        return was_enough

    def restart(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Stop it, and start it when it is gone; True if SIGTERM was enough."""
        was_enough = self.stop(timeout_s)
        self.start()
        return was_enough

    def kill(self) -> int | None:
        """Kill it by SIGKILL, as a crash would; returns the pid that was. It will be back."""
        child = self._child
        if child is None:
            return None
        process.kill(child)
        return child.pid

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP, to what runs now."""
        if self._child is not None:
            self._child.signal(number)

    def _spawn(self) -> Child:
        self._child = Child(self.command, log=self.log, env=self.env)
        return self._child

    def _watch(self, child: Child, stopped: threading.Event) -> None:
        failures = 0
        while True:
            since = time.monotonic()
            child.wait()
            failures = 0 if time.monotonic() - since > STEADY_AFTER_S else failures + 1
            self._on_change()
            pause_s = delay_s(failures, random.random())  # noqa: S311 - jitter
            if stopped.wait(pause_s):
                return
            with self._guard:
                if stopped.is_set():
                    return
                self.restarts += 1
                child = self._spawn()
            self._on_change()


def delay_s(failures: int, draw: float) -> float:
    """Return the pause before a restart: doubled with each failure, half of it left to chance."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** max(0, failures - 1))
    return longest * (1 + draw) / 2
