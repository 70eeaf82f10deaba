"""Kannel as Debian packages it: bearerbox and smsbox, configured for speed, all in memory.

Directives: Kannel 1.4.5 user guide, chapters 3 (core), 6 (SMPP) and 7 (smsbox).
"""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

_CONF = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {secret}
smsbox-port = {boxes}
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = "{work}/bearerbox.log"
log-level = 3
dlr-storage = internal
{store}

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = secret
system-type = ""
interface-version = 34
max-pending-submits = {window}
enquire-link-interval = 30

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
sendsms-chars = "0123456789 +-"
log-file = "{work}/smsbox.log"
log-level = 3
max-pending-requests = 2048

group = sendsms-user
username = bench
password = {secret}
max-messages = 10
concatenation = true

group = sms-service
keyword = default
text = "no"
max-messages = 0
"""
_STORE = "store-type = spool\nstore-location = {work}/spool"
"""A file for each message that is under way, written and not synced: the most that Kannel keeps
without a database."""
_STARTS_WITHIN_S = 20


class NoKannel(RuntimeError):
    """Kannel cannot run here; the text says what is missing."""


def install() -> None:
    """Install Debian's package when it is absent; its own services are not started."""
    if shutil.which("bearerbox"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoKannel("Kannel is not installed: apt-get install kannel (Debian, as root)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "kannel"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise NoKannel(f"apt-get could not install kannel: {done.stderr.strip()[-400:]}")


class Kannel:
    """One bearerbox and one smsbox, from `async with` to their end."""

    def __init__(self, work: Path, smsc_port: int, window: int, *, is_stored: bool = False) -> None:
        self._work = work.resolve()
        self._smsc_port = smsc_port
        self._window = window
        self._is_stored = is_stored
        self._secret = secrets.token_hex(8)
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.sendsms_port = 0

    @property
    def pids(self) -> dict[str, int]:
        """Its processes, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def sendsms(self, to: str, sender: str, text: str, receipt_url: str) -> bytes:
        """Write the path of one request; text and URL must be quoted already."""
        return (
            f"/cgi-bin/sendsms?username=bench&password={self._secret}&to={to}&from={sender}"
            f"&text={text}&dlr-mask=3&dlr-url={receipt_url}"
        ).encode()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(install)
        self._work.mkdir(parents=True, exist_ok=True)
        admin, boxes, self.sendsms_port = _free_ports(3)
        (self._work / "spool").mkdir(exist_ok=True)
        conf = self._work / "kannel.conf"
        conf.write_text(
            _CONF.format(
                admin=admin, boxes=boxes, sendsms=self.sendsms_port, smsc=self._smsc_port,
                secret=self._secret, work=self._work, window=self._window,
                store=_STORE.format(work=self._work) if self._is_stored else "",
            )
        )  # fmt: skip
        conf.chmod(0o600)
        await self._start("bearerbox", conf, boxes)
        await self._start("smsbox", conf, self.sendsms_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def _start(self, program: str, conf: Path, port: int) -> None:
        path = shutil.which(program) or f"/usr/sbin/{program}"
        log = (self._work / f"{program}.out").open("wb")
        with log:
            self._running[program] = await asyncio.create_subprocess_exec(
                path, "-v", "4", str(conf), stdout=log, stderr=log
            )
        await self._listening(program, port)

    async def _listening(self, program: str, port: int) -> None:
        async with asyncio.timeout(_STARTS_WITHIN_S):
            while True:
                if self._running[program].returncode is not None:
                    raise NoKannel(f"{program} ended at once: {self._work}/{program}.out says why")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
