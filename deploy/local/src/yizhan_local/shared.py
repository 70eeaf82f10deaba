"""One local server used by many processes at once: started by the first, stopped by the last.

Who uses it is written down with pid and start time, so a user that died without a word does not
keep it alive. `pin()` keeps it without users, until `unpin()`.
"""

import json
import os
import secrets
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Self

from yizhan_local.files import locked, read_json, write_atomically
from yizhan_local.process import ProcessId
from yizhan_local.server import LocalServer


class SharedServer:
    """A share in a local server. Safe against two processes that start or stop it at once."""

    kind = "local"

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self._token = secrets.token_hex(8)

    @property
    def url(self) -> str:
        """What clients need to connect; known after the start."""
        return self.server.url

    def start(self) -> Self:
        """Become a user, and start the server if it does not run."""
        with self._locked():
            self.server.start()
            me = asdict(ProcessId.of(os.getpid()))
            self._save({**self._users(), self._token: me}, pinned=self._is_pinned())
        return self

    def stop(self) -> None:
        """Cease to be a user; the last one stops the server."""
        with self._locked():
            users = self._users()
            users.pop(self._token, None)
            self._leave(users, pinned=self._is_pinned())

    def ensure(self) -> bool:
        """Start it again if it has died; True if it had."""
        with self._locked():
            return self.server.ensure()

    def kill(self) -> None:
        """Stop by SIGKILL, as a crash would, for all users."""
        if self.server.is_running():
            self.server.kill()

    def restart(self) -> None:
        """Stop it and start it again, for all users."""
        with self._locked():
            self.server.stop()
            self.server.start()

    def pin(self) -> None:
        """Start it and keep it running without users."""
        with self._locked():
            self.server.start()
            self._save(self._users(), pinned=True)

    def unpin(self) -> None:
        """Undo `pin()`: stops the server unless it has users."""
        with self._locked():
            self._leave(self._users(), pinned=False)

    def details(self) -> dict[str, str | int]:
        """Return what a person who looks after it wants to know."""
        return self.server.details()

    def _leave(self, users: dict[str, Any], *, pinned: bool) -> None:
        self._save(users, pinned=pinned)
        if not users and not pinned:
            self.server.stop()

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.server.data / "users.lock")

    def _users(self) -> dict[str, Any]:
        users = read_json(self.server.data / "users.json").get("users", {})
        return {token: who for token, who in users.items() if ProcessId(**who).is_alive()}

    def _is_pinned(self) -> bool:
        return bool(read_json(self.server.data / "users.json").get("pinned"))

    def _save(self, users: dict[str, Any], *, pinned: bool) -> None:
        text = json.dumps({"users": users, "pinned": pinned})
        write_atomically(self.server.data / "users.json", text)
