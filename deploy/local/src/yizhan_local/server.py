"""What a Kafka and a MongoDB have in common, and those that run here as processes."""

import json
import signal
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Protocol, Self

from yizhan_local import process
from yizhan_local.errors import DidNotStart
from yizhan_local.files import read_json, write_atomically
from yizhan_local.process import Child, Daemon, Process, ProcessId, free_port

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
TRIES = 3


class Server(Protocol):
    """A Kafka or a MongoDB, wherever it comes from."""

    @property
    def kind(self) -> str:
        """Where it comes from: url, docker, local."""

    @property
    def url(self) -> str:
        """What clients need to connect; known after the start."""

    def start(self) -> object:
        """Make it reachable; returns when a client can work with it."""

    def stop(self) -> object:
        """Let go of what `start()` took."""

    def ensure(self) -> bool:
        """Start it again if it has died; True if it had."""

    def details(self) -> dict[str, str | int]:
        """Return what a person who looks after it wants to know: pid, log, data."""


class LocalServer(ABC):
    """One server on loopback with its data in one folder.

    Started again, also after `kill()`, it has the same data and the same port. A bound server dies
    with the process that started it; with `outlives=True` it runs on until somebody stops it, and
    `start()` on the same folder finds it, from any process.
    """

    name: ClassVar[str]
    kind = "local"

    def __init__(self, data: Path, *, outlives: bool = False) -> None:
        self.data = data
        self.log = data / f"{self.name}.log"
        self._outlives = outlives
        self._process: Process | None = None

    @property
    def port(self) -> int:
        """The port of the clients; chosen at the first start."""
        return int(read_json(self._ports_file)["port"])

    @property
    @abstractmethod
    def url(self) -> str:
        """What clients need to connect; known after the start."""

    @property
    def pid(self) -> int:
        """The pid of the last start."""
        if self._process is None:
            msg = f"{self.name} was never started"
            raise RuntimeError(msg)
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the process lives, whoever started it."""
        if self._process is None or not self._process.is_running():
            self._find()
        return self._process is not None and self._process.is_running()

    def start(self, timeout_s: float = START_TIMEOUT_S) -> Self:
        """Start the server unless it runs, and wait until a client can work with it."""
        if self.is_running():
            self._wait_ready(timeout_s)
            return self
        first_time = not read_json(self._ports_file)
        for tries_left in range(TRIES if first_time else 1, 0, -1):
            try:
                self._start_once(timeout_s)
            except DidNotStart:
                self.kill()
                if tries_left == 1:
                    raise
                self._ports_file.unlink(missing_ok=True)  # a port may have been taken meanwhile
            else:
                break
        return self

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Stop by SIGTERM, after the timeout by SIGKILL; True if SIGTERM was enough."""
        if not self.is_running() or self._process is None:
            return True
        return process.stop(self._process, timeout_s)

    def kill(self) -> None:
        """Stop by SIGKILL, as a crash would."""
        if self._process is not None:
            process.kill(self._process)

    def freeze(self) -> None:
        """Halt the process as it is; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def ensure(self) -> bool:
        """Start it again if it has died; True if it had."""
        if self.is_running():
            return False
        self.start()
        return True

    def details(self) -> dict[str, str | int]:
        """Return what a person who looks after it wants to know."""
        return {"pid": self.pid, "log": str(self.log), "data": str(self.data)}

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Lay out the data folder and return the command."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Tell whether a client can work with the server."""

    @property
    def _ports_file(self) -> Path:
        return self.data / "ports.json"

    @property
    def _pid_file(self) -> Path:
        return self.data / "process.json"

    def _port(self, name: str) -> int:
        """Return the port of that name, choosing it the first time."""
        ports = read_json(self._ports_file)
        if name not in ports:
            ports[name] = free_port()
            write_atomically(self._ports_file, json.dumps(ports))
        return int(ports[name])

    def _find(self) -> None:
        found = read_json(self._pid_file)
        if found:
            daemon = Daemon(ProcessId(**found))
            self._process = daemon if daemon.is_running() else self._process

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def _start_once(self, timeout_s: float) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        command = self._prepare()
        starter = Daemon.start if self._outlives else Child
        self._process = starter(command, log=self.log)
        write_atomically(self._pid_file, json.dumps(asdict(ProcessId.of(self._process.pid))))
        self._wait_ready(timeout_s)

    def _wait_ready(self, timeout_s: float) -> None:
        if self._process is not None:
            process.wait_ready(self.name, self._process, self._is_ready, timeout_s, self.log)
