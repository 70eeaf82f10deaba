"""What SMPP costs without the pipeline: python -m bench.smpp [--peer]

PDUs alone; a session against a sink in a process of its own; with ``--peer`` the carrier-adapter's
SMPP carrier against npm's message centre (needs node), with receipts in every form.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
import timeit
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any, TypeGuard

import uvloop
from prometheus_client import CollectorRegistry

from bench.smsc.peer import Options, Peer
from carrier_adapter.carriers.base import Accepted, Answer, Submission
from carrier_adapter.carriers.smpp.carrier import SmppCarrier
from carrier_adapter.metrics import AdapterMetrics, SmppMetrics
from carrier_adapter.receiving.normalise import CarrierReceipt
from carrier_adapter.receiving.replies import CarrierReply
from yizhan_contracts.events import ChannelConfigured, SmppOptions
from yizhan_runtime.clock import SystemClock
from yizhan_smpp import constants as c
from yizhan_smpp.alphabets import Alphabet
from yizhan_smpp.client import Address, connect
from yizhan_smpp.decoding import decode
from yizhan_smpp.encoding import encode
from yizhan_smpp.handler import Handler, Reply, SessionOptions
from yizhan_smpp.parts import LongMessages, write
from yizhan_smpp.pdu import Bind, Message, Pdu, Taken
from yizhan_smpp.receipts import parse
from yizhan_smpp.server import listen
from yizhan_smpp.session import Session

TEXT = b"Your parcel DE123 is out for delivery today between 14 and 16."
PEERS: dict[str, tuple[Options, dict[str, Any]]] = {
    "receipts in parameters and text": (Options(), {}),
    "text only": (Options(form="text"), {}),
    "parameters only": (Options(form="tlv"), {}),
    "ids hex, then decimal": (
        Options(form="text", ids="dechex"),
        {"message_ids": "hex-then-decimal"},
    ),
    "4 binds, receipts on any": (Options(to="any"), {"binds": 4}),
    "2 pairs": (Options(to="any"), {"bind": "transmitter-receiver", "binds": 2}),
    "receipts before answers": (Options(receipt_ms=0, latency_ms=30), {}),
}


def message() -> Message:
    return Message(
        "4915112345678",
        TEXT,
        "Yizhan",
        *(5, 0, 1, 1),
        validity="000001000000000R",
        registered_delivery=1,
    )


def measure_pdus() -> None:
    submit, answer = encode(c.SUBMIT_SM, 1, message()), encode(c.SUBMIT_SM_RESP, 1, Taken("0" * 16))
    text = (
        b"id:0123456789 sub:001 dlvrd:001 submit date:2611231900 done date:2611231900 "
        b"stat:DELIVRD err:000 text:"
    )
    tlvs = {c.TAG_RECEIPTED_MESSAGE_ID: b"0123456789\0", c.TAG_MESSAGE_STATE: b"\2"}
    receipt = Message("1", text, "2", esm_class=c.ESM_RECEIPT, tlvs=tlvs)
    delivered = encode(c.DELIVER_SM, 1, receipt)
    long_text = TEXT.decode() * 5
    for what, work in {
        "submit_sm made and encoded": lambda: encode(c.SUBMIT_SM, 1, message()),
        "submit_sm decoded": lambda: decode(submit),
        "submit_sm_resp decoded": lambda: decode(answer),
        "deliver_sm with parameters decoded": lambda: decode(delivered),
        "receipt parsed": lambda: parse(receipt),
        "text of 62 characters written": lambda: write(
            TEXT.decode(), Alphabet.GSM7, LongMessages.UDH, 1
        ),
        "text in 3 parts written": lambda: write(long_text, Alphabet.GSM7, LongMessages.UDH, 1),
    }.items():
        print(f"{_microseconds(work):8.2f} us  {what}")


def _microseconds(work: Callable[[], object]) -> float:
    rounds = 20_000
    return min(timeit.repeat(work, number=rounds, repeat=5)) / rounds * 1e6


class Sink(Handler):
    """Takes everything."""

    def __init__(self) -> None:
        self._taken = 0

    def on_bind(self, session: Session, request: Pdu) -> None:
        session.accept(request, "sink")

    def on_request(self, session: Session, request: Pdu) -> None:
        self._taken += 1
        session.respond(request, c.OK, Taken(f"{self._taken:016x}"))


def run_sink(pipe: Connection) -> None:
    async def serve() -> None:
        server = await listen("127.0.0.1", 0, Sink(), SessionOptions())
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(serve())


class Sender(Handler):
    """Keeps the window full until so many are answered."""

    def __init__(self, total: int) -> None:
        self._left = self._open = total
        self.refused = 0
        self.done = asyncio.Event()

    def on_room(self, session: Session) -> None:
        count = min(session.room, self._left)
        self._left -= count
        for _ in range(count):
            session.request(c.SUBMIT_SM, message(), self._answered)

    def _answered(self, reply: Reply) -> None:
        self.refused += not (isinstance(reply, Pdu) and reply.is_ok)
        self._open -= 1
        if not self._open:
            self.done.set()


async def measure_session(port: int, window: int, total: int = 100_000) -> None:
    sender = Sender(total)
    options = SessionOptions(window=window)
    address = Address("127.0.0.1", port)
    session = await connect(address, c.BIND_TRANSCEIVER, Bind("bench"), sender, options)
    began, cpu = time.perf_counter(), time.process_time()
    sender.on_room(session)
    await sender.done.wait()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{total / took:8,.0f} submits/s, {cpu / total * 1e6:.1f} us of CPU each, window {window}"
        f"{', some refused' if sender.refused else ''}"
    )
    await session.unbind()


class Receipts:
    """Keeps the ids of receipts until they are all there."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.ids: list[str] = []
        self.all_there = asyncio.Event()

    async def take_all(
        self,
        _channel: ChannelConfigured,
        receipts: Iterable[CarrierReceipt],
        _replies: Iterable[CarrierReply],
    ) -> None:
        self.ids += [receipt.carrier_message_id for receipt in receipts]
        if len(self.ids) >= self._total:
            self.all_there.set()

    def refused(self, _channel: str, why: str) -> None:
        raise AssertionError(why)

    def fail(self, error: BaseException) -> None:
        raise error


async def measure_peer(what: str, peer: Peer, smpp: dict[str, Any], total: int) -> None:
    options = SmppOptions.model_validate({"system_id": "bench", **smpp})
    config = ChannelConfigured.model_validate(
        {
            "channel": "bench",
            "carrier": "bench",
            "carrier_account": "bench",
            "protocol": "smpp",
            "url": f"smpp://127.0.0.1:{peer.port}",
            "countries": {"*": {}},
            "window": 200,
            "submit_timeout_s": 20,
            "smpp": options,
            "configured_at": "2026-01-01T00:00:00Z",
        }
    )
    receipts, bound = Receipts(total), asyncio.Event()
    metrics = SmppMetrics(AdapterMetrics(CollectorRegistry()), "bench")
    carrier = SmppCarrier(config, options, "bench", {}, receipts, SystemClock(), metrics)
    carrier.follow(lambda *, is_bound: bound.set() if is_bound else None)
    await bound.wait()
    answers: dict[str, Answer] = {}
    began, cpu = time.perf_counter(), time.process_time()
    numbers = range(0, total, 100)
    for start in range(0, len(numbers), 10):
        await asyncio.gather(
            *(
                carrier.submit(_batch(first), lambda: True, answers.__setitem__)
                for first in numbers[start : start + 10]
            )
        )
    took = time.perf_counter() - began
    async with asyncio.timeout(60):
        await receipts.all_there.wait()
    cpu = time.process_time() - cpu
    ids = [answer.carrier_message_ids[0] for answer in answers.values() if _is_taken(answer)]
    counts = await peer.counts()
    matched = set(ids) == set(receipts.ids) and len(set(ids)) == len(receipts.ids) == total
    print(
        f"{total / took:8,.0f} submits/s, {cpu / total * 1e6:.0f} us of CPU each with its receipt, "
        f"all matched: {matched}, twice: {counts['twice']}  ({what})"
    )
    await carrier.close()


def _batch(first: int) -> list[Submission]:
    return [
        Submission(str(n), f"+49151{n:08}", "Yizhan", f"{TEXT.decode()} {n}", 3600)
        for n in range(first, first + 100)
    ]


def _is_taken(answer: Answer) -> TypeGuard[Accepted]:
    return isinstance(answer, Accepted)


async def measure_peers(total: int) -> None:
    for what, (options, smpp) in PEERS.items():
        async with Peer(options) as peer:
            await measure_peer(what, peer, smpp, total)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="store_true", help="also against npm's message centre")
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    measure_pdus()
    ours, theirs = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=run_sink, args=(theirs,))
    sink.start()
    try:
        port = ours.recv()
        for window in (10, 100):
            uvloop.run(measure_session(port, window))
    finally:
        sink.kill()
        sink.join()
    if options.peer:
        uvloop.run(measure_peers(options.messages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
