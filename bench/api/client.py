"""A client that costs little: requests as bytes, made and signed beforehand, over bare sockets."""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_SCHEME = "YIZHAN-HMAC-SHA256"


@dataclass(frozen=True)
class Signer:
    """A key and its secret."""

    key: str
    secret: str

    def request(self, path: str, body: bytes) -> bytes:
        """Write a signed POST, all of it."""
        now = str(int(time.time()))
        digest = hashlib.sha256(body).hexdigest()
        lines = f"{_SCHEME}\nPOST\n{path}\n{now}\n\n{digest}"
        signature = hmac.new(self.secret.encode(), lines.encode(), hashlib.sha256).hexdigest()
        shown = f"{_SCHEME} key={self.key}, timestamp={now}, signature={signature}"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: {shown}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _recipients(count: int, drawn: random.Random) -> list[dict[str, object]]:
    run = f"{drawn.getrandbits(40):010x}"
    return [
        {
            "to": f"+4915123{drawn.randrange(10**6):06d}",
            "variables": {"tracking_number": f"H{run}{number:07d}"},
            "reference": str(number),
        }
        for number in range(count)
    ]


def single_bodies(count: int) -> list[bytes]:
    """Make requests for one message each; a million German numbers."""
    shared = {"template": "picked-up", "language": "de"}
    drawn = random.Random()
    return [json.dumps(shared | one).encode() for one in _recipients(count, drawn)]


def many_bodies(count: int, recipients: int) -> list[bytes]:
    """Make requests for many messages each."""
    drawn = random.Random()
    shared = {"template": "picked-up", "language": "de", "lane": "bulk"}
    return [
        json.dumps(shared | {"recipients": _recipients(recipients, drawn)}).encode()
        for _ in range(count)
    ]


@dataclass
class Load:
    """What the client saw."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    def note(self, answer: bytes, seconds: float) -> None:
        self.seconds.append(seconds)
        status, body = answer[9:12].decode(), answer.partition(b"\r\n\r\n")[2]
        if status != "202":
            self.refused[f"{status} {json.loads(body)['code']}"] += 1
        elif body.startswith(b'{"accepted"'):
            self.accepted += json.loads(body)["accepted"]
        else:
            self.accepted += 1


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the one before it is answered."""

    def __init__(self, requests: Iterator[bytes], load: Load, done: "asyncio.Future[None]") -> None:
        self._requests = requests
        self._load = load
        self._done = done
        self._answer = bytearray()
        self._transport: asyncio.WriteTransport
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - asyncio's own type
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(bytes(head)):
            return
        self._load.note(bytes(self._answer), time.perf_counter() - self._begun)
        self._answer.clear()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("ingest closed the connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._begun = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


async def drive(url: str, signed: Sequence[bytes], connections: int) -> Load:
    """Send all, over so many connections at once."""
    load, requests = Load(), iter(signed)
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    ends = [loop.create_future() for _ in range(connections)]
    begun = time.perf_counter()
    for end in ends:
        await loop.create_connection(
            lambda end=end: _Connection(requests, load, end),  # type: ignore[misc]
            address.hostname or "",
            address.port or 80,
        )
    await asyncio.gather(*ends)
    load.wall_s = time.perf_counter() - begun
    load.seconds.sort()
    return load
