"""Starting, finding, stopping and killing processes, by an identity that survives pid reuse."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

from yizhan_local import guard
from yizhan_local.errors import DidNotStart

# Below the range from which the kernel takes ports for outgoing connections: a client that keeps
# reconnecting to a dead server's port would else take that port, or even connect to itself.
PORTS = range(20_000, 32_000)
START_TIME_TOLERANCE_S = 2.0
POLL_S = 0.05


@dataclass(frozen=True)
class ProcessId:
    """A pid together with its start time, so that a reused pid is not taken for the old process."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a running process; psutil.NoSuchProcess if there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs; a zombie does not."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < START_TIME_TOLERANCE_S
            alive = same and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None

    def is_alive(self) -> bool:
        """Tell whether the process still runs."""
        return self.process() is not None


class Child:
    """A process that dies with this one (see `guard`): the kernel sees to it, also on kill -9."""

    def __init__(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._popen = _spawner().submit(_spawn_bound, command, log, env).result()

    @property
    def pid(self) -> int:
        """The pid, also after the end of the process."""
        return self._popen.pid

    def is_running(self) -> bool:
        """Tell whether it still runs, and reap it if not."""
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the process; False if it still runs after the timeout."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, None while it runs."""
        return self._popen.poll()


class Daemon:
    """A process that outlives whoever started it, known by its identity only."""

    def __init__(self, identity: ProcessId) -> None:
        self.identity = identity

    @classmethod
    def start(
        cls, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
    ) -> Self:
        """Start the command in a session of its own."""
        log.parent.mkdir(parents=True, exist_ok=True)
        wrapper = [*_wrapper(), "free", str(log), *command]
        done = subprocess.run(wrapper, env=env, check=True, capture_output=True, text=True)
        return cls(ProcessId.of(int(done.stdout)))

    @property
    def pid(self) -> int:
        """The pid, also after the end of the process."""
        return self.identity.pid

    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return self.identity.is_alive()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        process = self.identity.process()
        if process is not None:
            process.send_signal(number)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the process; False if it still runs after the timeout."""
        return wait_until(lambda: not self.is_running(), timeout_s or float("inf"))


Process = Child | Daemon


def stop(process: Process, timeout_s: float) -> bool:
    """End a process by SIGTERM, after the timeout by SIGKILL; True if SIGTERM was enough."""
    process.signal(signal.SIGCONT)  # a frozen process would not see the SIGTERM
    process.signal(signal.SIGTERM)
    if process.wait(timeout_s):
        return True
    kill(process)
    return False


def kill(process: Process) -> None:
    """End a process by SIGKILL and wait until it is gone."""
    process.signal(signal.SIGKILL)
    process.wait(30)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until the condition holds; False if it does not within the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def wait_ready(
    name: str, process: Process, is_ready: Callable[[], bool], timeout_s: float, log: Path
) -> None:
    """Wait until a process is ready; raises DidNotStart if it ends first or takes too long."""
    wait_until(lambda: not process.is_running() or is_ready(), timeout_s)
    if not process.is_running():
        raise DidNotStart(f"{name} ended before it was ready", log)
    if not is_ready():
        raise DidNotStart(f"{name} was not ready within {timeout_s:.0f} s", log)


def free_port() -> int:
    """Find a port on loopback that nobody listens on."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"no free port between {PORTS.start} and {PORTS.stop}"
    raise OSError(msg)


def accepts(port: int) -> bool:
    """Tell whether something listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def _wrapper() -> list[str]:
    return [sys.executable, "-I", "-S", guard.__file__]


def _spawn_bound(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [*_wrapper(), "bound", str(os.getpid()), *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order
        )


@cache
def _spawner() -> ThreadPoolExecutor:
    # The kernel's "parent" is the thread that forked: children of a short-lived worker thread would
    # be killed at its end. So all are started by one thread that lives as long as the process.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
