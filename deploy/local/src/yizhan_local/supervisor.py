"""The process behind `make up`: owns a stack, looks after it, and does what others ask of it."""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from yizhan_local import control
from yizhan_local.control import Answer, Request
from yizhan_local.errors import DidNotStart, LocalError, StackError
from yizhan_local.files import locked, read_json, write_atomically
from yizhan_local.process import Daemon, ProcessId, kill, wait_until
from yizhan_local.shared import SharedServer
from yizhan_local.stack import Stack

LOOK_EVERY_S = 1.0
START_TIMEOUT_S = 900.0
"""The first start may download Kafka's jars."""

ASK_TIMEOUT_S = 150.0
DOWN_TIMEOUT_S = 90.0
SERVERS = ("kafka", "mongo")


class Supervisor:
    """Runs a stack until it is told to stop."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._over = threading.Event()
        self._channels = (0.0, 0)

    def run(self) -> None:
        """Start the stack, look after it, stop it; LocalError if it cannot be started."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        self._stack.start()
        listener = control.serve(control.socket_path(self._stack.work_dir), self._handle)
        try:
            while not self._over.wait(LOOK_EVERY_S):
                self._look()
        finally:
            listener.shutdown()
            listener.server_close()
            control.socket_path(self._stack.work_dir).unlink(missing_ok=True)
            self._stack.stop()

    def _end(self) -> None:
        if self._stack.status == "starting":
            raise KeyboardInterrupt
        self._over.set()

    def _look(self) -> None:
        """Start servers again that died, and keep the state file true."""
        try:
            revived = self._stack.servers.ensure()
        except (LocalError, OSError) as error:
            print(f"a server could not be started again: {error}", file=sys.stderr, flush=True)
            return
        channels = _stamp(self._stack.channels_file)
        if revived or channels != self._channels:
            self._channels = channels
            self._stack.write_state()

    def _handle(self, request: Request) -> Answer:
        actions: dict[str, Callable[[str], object]] = {
            "restart": self._restart,
            "kill": self._kill,
            "stop": self._stack.stop_service,
            "start": self._stack.start_service,
        }
        try:
            if request["do"] == "down":
                self._over.set()
            else:
                actions[request["do"]](request["name"])
        except (LocalError, OSError) as error:
            return {"error": str(error)}
        return {"ok": True}

    def _restart(self, name: str) -> None:
        if name in SERVERS:
            self._server(name).restart()
            self._stack.write_state()
        else:
            self._stack.restart(name)

    def _kill(self, name: str) -> None:
        if name in SERVERS:
            self._server(name).kill()
        else:
            self._stack.kill(name)

    def _server(self, name: str) -> SharedServer:
        server = self._stack.servers.named(name)
        if not isinstance(server, SharedServer):
            raise StackError(f"{name} is not ours: it comes from {server.kind}")
        return server


def supervise(stack: Stack) -> None:
    """Be the supervisor; StackError if the work folder has one."""
    me = ProcessId.of(os.getpid())
    with locked(stack.work_dir / "supervisor.lock"):
        other = running(stack.work_dir)
        if other is not None and other.pid != me.pid:
            raise StackError(f"a stack runs here already, under process {other.pid}")
        write_atomically(_pid_file(stack.work_dir), json.dumps(asdict(me)))
    try:
        Supervisor(stack).run()
    finally:
        _pid_file(stack.work_dir).unlink(missing_ok=True)


def running(work_dir: Path) -> ProcessId | None:
    """Return the supervisor of a work folder, None if there is none that lives."""
    found = read_json(_pid_file(work_dir))
    identity = ProcessId(**found) if found else None
    return identity if identity is not None and identity.is_alive() else None


def up(work_dir: Path, arguments: list[str]) -> dict[str, object]:
    """Return the state of the stack of a work folder, after starting it if it does not run."""
    with locked(work_dir / "up.lock"):
        identity = running(work_dir)
        supervisor = Daemon(identity) if identity else _start(work_dir, arguments)
        state: dict[str, object] = {}

        def is_up() -> bool:
            state.update(read_json(work_dir / "stack.json"))
            return state.get("status") == "running" or not supervisor.is_running()

        wait_until(is_up, START_TIMEOUT_S)
    if state.get("status") != "running":
        raise DidNotStart("the stack did not start", _log(work_dir))
    return state


def ask(work_dir: Path, request: Request) -> Answer:
    """Have the supervisor of a work folder do something; StackError if it cannot."""
    if running(work_dir) is None:
        raise StackError("no stack is running; start one by: make up")
    try:
        answer = control.ask(control.socket_path(work_dir), request, ASK_TIMEOUT_S)
    except OSError as error:
        raise StackError(f"the supervisor does not answer: {error}") from error
    if "error" in answer:
        raise StackError(answer["error"])
    return answer


def down(work_dir: Path) -> bool:
    """Stop the stack of a work folder, by force after the timeout; False if none runs."""
    identity = running(work_dir)
    if identity is None:
        (work_dir / "stack.json").unlink(missing_ok=True)
        return False
    supervisor = Daemon(identity)
    with contextlib.suppress(OSError):
        supervisor.signal(signal.SIGTERM)
    if not supervisor.wait(DOWN_TIMEOUT_S):
        kill(supervisor)  # its services die with it
        (work_dir / "stack.json").unlink(missing_ok=True)
    return True


def _start(work_dir: Path, arguments: list[str]) -> Daemon:
    (work_dir / "stack.json").unlink(missing_ok=True)
    _log(work_dir).unlink(missing_ok=True)
    command = [sys.executable, "-m", "yizhan_local", "supervise", *arguments]
    return Daemon.start(command, log=_log(work_dir))


def _log(work_dir: Path) -> Path:
    return work_dir / "logs" / "supervisor.log"


def _pid_file(work_dir: Path) -> Path:
    return work_dir / "supervisor.json"


def _stamp(file: Path) -> tuple[float, int]:
    try:
        found = file.stat()
    except OSError:
        return (0.0, 0)
    return (found.st_mtime, found.st_size)
