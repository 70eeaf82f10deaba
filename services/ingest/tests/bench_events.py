"""CPU of one shipment event in ingest, step by step, without servers.

    python -m services.ingest.tests.bench_events [events]

Prints microseconds an event. All numbers are different, as a first parcel to everybody would be.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.fakes import (
    NOON,
    FakeClock,
    FakeInputs,
    FakeMarks,
    FakePublisher,
    FakeStops,
    rich_purse,
)
from services.ingest.tests.unit.making import raw

from ingest import numbers
from ingest.adapters.catalogue_file import load_catalogue
from ingest.adapters.mongo import _document_of, _input_of
from ingest.content.files import WordFiles
from ingest.events.judging import open_case
from ingest.events.parsing import ShipmentEvent, read
from ingest.events.service import Arrival, TakeShipmentEvents
from ingest.metrics import IngestMetrics
from yizhan_contracts.events import Event
from yizhan_contracts.topics import address_of
from yizhan_runtime.publisher import to_json
from yizhan_runtime.records import RawRecord

BATCH = 500
ACCOUNTS = Path(__file__).parents[3] / "deploy/config/accounts.yaml"
LANGUAGES = ("zh", "en", "de", "fr", "ar", "ja", "pt-BR", "zh-TW")
STARTS = ("+4915123", "+861380", "+33612", "+91810", "+8190", "+3467012", "+1201555", "+447400")


def records(count: int) -> list[RawRecord]:
    return [raw(json.dumps(_event(n)).encode(), key=b"S%d" % n, offset=n) for n in range(count)]


def _event(number: int) -> dict[str, object]:
    start = STARTS[number % len(STARTS)]
    digits = {"+861380": 7, "+91810": 7, "+8190": 8, "+3467012": 4, "+1201555": 4}
    rest = digits.get(start, 6)
    return {
        "event_id": f"e-{number}",
        "source": "bench",
        "account_id": "bench",
        "shipment_id": f"S{number}",
        "milestone": "out-for-delivery",
        "occurred_at": "2026-11-23T11:59:00Z",
        "recipients": [
            {
                "phone": f"{start}{number % 10**rest:0{rest}d}",
                "language": LANGUAGES[number % len(LANGUAGES)],
            }
        ],
        "attributes": {"tracking_number": f"YZ{number:09d}CN", "weight": "1200"},
    }


def measure(name: str, count: int, work: Callable[[], object]) -> None:
    begun = time.process_time()
    work()
    spent = time.process_time() - begun
    sys.stdout.write(f"{name:<42}{spent / count * 1e6:8.1f} us\n")


def in_batches(arrivals: Sequence[Arrival]) -> tuple[TakeShipmentEvents, list[Event]]:
    publisher, inputs, clock = FakePublisher(), FakeInputs(), FakeClock()
    use_case = TakeShipmentEvents(
        load_catalogue(ACCOUNTS),
        inputs,
        FakeMarks(),
        publisher,
        WordFiles(ACCOUNTS.parent / "words"),
        purse=rich_purse(inputs, clock),
        stops=FakeStops(),
        clock=clock,
        random_bits=lambda bits: int.from_bytes(os.urandom(bits // 8)),
        metrics=IngestMetrics(CollectorRegistry()),
    )

    async def take() -> None:
        for at in range(0, len(arrivals), BATCH):
            await use_case.take(arrivals[at : at + BATCH])

    measure("whole use case, ports in memory", len(arrivals), lambda: asyncio.run(take()))
    return use_case, publisher.published


def main() -> None:
    os.environ.setdefault("DEMO_KEY", "bench")
    os.environ.setdefault("DEMO_SECRET_SHA256", "0" * 64)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    given = records(count)
    for start in range(len(STARTS)):
        numbers.check(f"{STARTS[start]}000000")  # the patterns are compiled once a process
    events: list[ShipmentEvent] = []
    measure(
        "parse",
        count,
        lambda: events.extend(e for r in given if isinstance(e := read(r), ShipmentEvent)),
    )
    measure("number and names", count, lambda: [open_case(event, NOON) for event in events])
    arrivals = [Arrival(r.origin, NOON, e) for r, e in zip(given, events, strict=True)]
    measure("number and names, numbers known", count, lambda: [open_case(e, NOON) for e in events])
    use_case, published = in_batches(arrivals)
    stored = list(use_case._inputs.stored.values())  # type: ignore[attr-defined]
    measure("documents for MongoDB", len(stored), lambda: [_document_of(item) for item in stored])
    documents = [_document_of(item) for item in stored]
    measure("documents read back", len(stored), lambda: [_input_of(item) for item in documents])
    measure(
        "address and JSON of both events",
        count,
        lambda: [(address_of(e), to_json(e)) for e in published],
    )
    sys.stdout.write(f"{len(stored)} messages of {count} events\n")


if __name__ == "__main__":
    main()
