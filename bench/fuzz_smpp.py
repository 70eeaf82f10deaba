"""Throws octets at the SMPP library for a while: python -m bench.fuzz_smpp --seconds 600

Mutated PDUs of every kind go through the codec, texts and receipts, and as streams through a real
session, cut anywhere. Anything but MalformedError, a PDU that takes longer than a second, or memory
that keeps growing ends it with code 1 and the seed.
"""

import argparse
import asyncio
import random
import resource
import sys
import time
from collections import Counter
from contextlib import suppress

from yizhan_smpp import constants as c
from yizhan_smpp.alphabets import Alphabet
from yizhan_smpp.decoding import decode, decode_frame
from yizhan_smpp.encoding import encode
from yizhan_smpp.errors import EncodeError, MalformedError
from yizhan_smpp.framing import frames
from yizhan_smpp.handler import Handler, SessionOptions
from yizhan_smpp.parts import LongMessages, read, write
from yizhan_smpp.pdu import Bind, Bound, Message, Pdu, Query, QueryResult, Taken
from yizhan_smpp.receipts import canonical, is_receipt, parse
from yizhan_smpp.session import Session

_RECEIPT = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2611231900 done date:2611231901 stat:DELIVRD "
    b"err:000 text:hello"
)
_SLOW_S = 1.0
_WARM_UP = 0.2
_GROWTH_KIB = 16 * 1024
_DICTIONARY = [b"id:", b"stat:", b"err:", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b" : ", b"\x1b"]


def corpus() -> list[bytes]:
    """Give well-formed PDUs of every kind, to begin from."""
    tlvs = {c.TAG_RECEIPTED_MESSAGE_ID: b"1A2B\0", c.TAG_MESSAGE_STATE: b"\2"}
    udh = Message("4915112345678", b"\5\0\3\7\2\1hello", "Yizhan", 5, 0, 1, 1, esm_class=0x40)
    return [
        encode(c.SUBMIT_SM, 1, udh),
        encode(c.DELIVER_SM, 2, Message("1", _RECEIPT, "2", esm_class=4, tlvs=tlvs)),
        encode(c.DELIVER_SM, 3, Message("1", "好😀".encode("utf-16-be"), "2", data_coding=8)),
        encode(c.DATA_SM, 4, Message("1", source="2", tlvs={c.TAG_PAYLOAD: _RECEIPT})),
        encode(c.SUBMIT_SM_RESP, 5, Taken("0123456789abcdef")),
        encode(c.DELIVER_SM_RESP, 6, Taken()),
        encode(c.BIND_TRANSCEIVER, 7, Bind("yizhan", "secret", "type")),
        encode(c.BIND_TRANSCEIVER | c.ANSWER, 8, Bound("smsc", {c.TAG_VERSION: b"\x34"})),
        encode(c.QUERY_SM, 9, Query("1")),
        encode(c.QUERY_SM | c.ANSWER, 10, QueryResult("1", "", 2, 0)),
        encode(c.ENQUIRE_LINK, 11),
        encode(c.UNBIND_RESP, 12),
        encode(c.GENERIC_NACK, 13, None, 3),
    ]


def mutated(octets: bytes, luck: random.Random) -> bytes:
    """Change a few things about a PDU; its length is made right half of the time."""
    changed = bytearray(octets)
    for _ in range(luck.randint(1, 6)):
        at = luck.randrange(len(changed) + 1)
        match luck.randrange(6):
            case 0:
                changed[at:at] = luck.randbytes(luck.randint(1, 40))
            case 1:
                del changed[at : at + luck.randint(1, 20)]
            case 2:
                changed[at:at] = luck.choice(_DICTIONARY) * luck.choice((1, 1, 1, 50, 400))
            case 3:
                changed[at:at] = changed[luck.randrange(len(changed) + 1) :][:300]
            case _ if at < len(changed):
                changed[at] = luck.randrange(256)
    if luck.random() < 0.5:
        changed[:4] = len(changed).to_bytes(4, "big")
    return bytes(changed)


def try_codec(octets: bytes, seen: Counter[str]) -> None:
    """Read what there is to read, and write it again."""
    try:
        pdu = decode(octets)
    except MalformedError as error:
        seen[f"malformed {c.status_name(error.status)}"] += 1
        return
    seen["read"] += 1
    with suppress(EncodeError):
        again = encode(pdu.command, pdu.sequence, pdu.body, pdu.status)
        if decode(again) != pdu:
            raise AssertionError("what was written again is another PDU")
    if isinstance(pdu.body, Message):
        text = read(pdu.body, Alphabet.GSM7).text
        seen["receipt" if is_receipt(pdu.body) and parse(pdu.body) else "text"] += 1
        for method in LongMessages:
            with suppress(ValueError):
                write(text, Alphabet.LATIN1, method, pdu.sequence)
    if isinstance(pdu.body, Taken):
        canonical(canonical(pdu.body.message_id, base=16), base=10)


class Smsc(Handler):
    """Answers everything."""

    def on_bind(self, session: Session, request: Pdu) -> None:
        session.accept(request)

    def on_request(self, session: Session, request: Pdu) -> None:
        session.respond(request, c.OK, Taken("1"))


class Wire(asyncio.Transport):
    """Keeps nothing of what is written."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        del data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


def try_session(stream: bytes, luck: random.Random, *, is_server: bool) -> None:
    """Let a session read a stream in pieces, and lose its connection."""
    session = Session(Smsc(), SessionOptions(window=1_000_000), is_server=is_server)
    wire = Wire(session)
    session.connection_made(wire)
    replies: list[object] = []
    for _ in range(20):
        session.request(c.SUBMIT_SM, Message("1"), replies.append)
    at = 0
    while at < len(stream) and not wire.is_closed:
        size = luck.choice((1, 3, 16, 100, 5000))
        session.data_received(stream[at : at + size])
        at += size
    session.connection_lost(None)
    if len(replies) != 20:
        raise AssertionError("a request has no end, or two")


def one_round(luck: random.Random, seeds: list[bytes], seen: Counter[str]) -> None:
    """Try a few hundred PDUs alone, and as a stream."""
    changed = [mutated(luck.choice(seeds), luck) for _ in range(200)]
    for octets in changed:
        began = time.perf_counter()
        try_codec(octets, seen)
        if time.perf_counter() - began > _SLOW_S:
            raise AssertionError(f"a PDU of {len(octets)} octets took too long")
    stream = b"".join(luck.choice(changed if luck.random() < 0.3 else seeds) for _ in range(50))
    found, _, _ = frames(stream)
    for frame in found:
        with suppress(MalformedError):
            decode_frame(stream, *frame)
    try_session(stream, luck, is_server=luck.random() < 0.5)
    seen["streams"] += 1


async def fuzz(seconds: float, seed: int) -> Counter[str]:
    """Go on for so long. Raises what went wrong."""
    luck, seeds, seen = random.Random(seed), corpus(), Counter[str]()
    began = time.monotonic()
    warm_kib = 0
    while (lasted := time.monotonic() - began) < seconds:
        one_round(luck, seeds, seen)
        await asyncio.sleep(0)
        if lasted > seconds * _WARM_UP:
            warm_kib = warm_kib or _memory_kib()
            if _memory_kib() - warm_kib > _GROWTH_KIB:
                raise AssertionError(f"memory grew from {warm_kib} to {_memory_kib()} KiB")
    seen["memory KiB, warm"], seen["memory KiB, at the end"] = warm_kib, _memory_kib()
    return seen


def _memory_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    seen = asyncio.run(fuzz(options.seconds, options.seed))
    for what, count in sorted(seen.items()):
        print(f"{count:>12,}  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
