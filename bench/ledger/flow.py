"""What the ledger costs: facts a second, mongod's CPU a message, and beside them bare inserts."""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from pymongo import WriteConcern

from bench.ledger.house import House, Record
from bench.ledger.records import Said, say
from bench.processes import spent_by_all
from receipts.ledger.adapters.collections import CONTENTS, FACTS, MESSAGES, PUSHES, SETTLED, WEEKLY
from yizhan_contracts.events import Event

KINDS = (CONTENTS, MESSAGES, FACTS, SETTLED, PUSHES)
_CHUNK = 500
_BEHIND = 4
"""Attempts come so many chunks after their messages, receipts so many after them."""
_BARE_BATCH = 1000
_POLL_S = 0.25


async def measure(house: House, count: int, within_s: float) -> dict[str, Any]:
    """Send ``count`` messages' records as fast as Kafka takes them, until all are pushed."""
    said = say(count, seed=count, plain=True)
    records = [house.record_of(event) for event in _in_flow(said)]
    before, pushed = {kind: house.count(kind) for kind in KINDS}, house.count_pushed()
    spent, begun = spent_by_all(_pids(house)), time.monotonic()
    await house.publish(records)
    await house.producer.flush()
    published_s = time.monotonic() - begun
    await _until_pushed(house, pushed + count, begun + within_s)
    seconds = time.monotonic() - begun
    after = spent_by_all(_pids(house))
    inserted = {kind: house.count(kind) - before[kind] for kind in KINDS}
    return {
        "messages": count,
        "settled": inserted[SETTLED],
        "seconds": round(seconds, 2),
        "published_s": round(published_s, 2),
        "messages_per_s": round(count / seconds),
        "documents": sum(inserted.values()),
        "documents_per_s": round(sum(inserted.values()) / seconds),
        "cpu_us_per_message": {
            name: round((after[name] - spent[name]).cpu_s / count * 1e6)
            for name in after
            if name in spent
        },
    }


def _in_flow(said: Said) -> Iterator[Event]:
    """Order the records as they come while a system runs: stage behind stage."""
    stages = [list(_chunks(stage)) for stage in (said.accepted, said.finished, said.receipts)]
    for at in range(max(map(len, stages)) + _BEHIND * len(stages)):
        for number, chunks in enumerate(stages):
            place = at - _BEHIND * number
            if 0 <= place < len(chunks):
                yield from chunks[place]


def _chunks(events: list[Event]) -> Iterator[list[Event]]:
    return (events[i : i + _CHUNK] for i in range(0, len(events), _CHUNK))


def _pids(house: House) -> dict[str, int]:
    return house.pids() | {"load generator": os.getpid()}


async def _until_pushed(house: House, messages: int, deadline: float) -> None:
    """Wait for the last that is written down: that a push was acknowledged."""
    while (pushed := await asyncio.to_thread(house.count_pushed)) < messages:
        if time.monotonic() > deadline:
            raise SystemExit(f"not all was pushed: {pushed} of {messages}")
        await asyncio.sleep(_POLL_S)


def measure_bare(house: House) -> dict[str, Any]:
    """Insert the very same documents again, with the same indexes, and nothing around it."""
    kinds = {kind: _insert_bare(house, kind) for kind in KINDS}
    documents = sum(bare.documents for bare in kinds.values())
    seconds = sum(bare.seconds for bare in kinds.values())
    return {
        "documents": documents,
        "documents_per_s": round(documents / seconds),
        "mongod_us_per_document": {
            kind: round(bare.mongod_s / bare.documents * 1e6, 1) for kind, bare in kinds.items()
        },
    }


class _Bare(NamedTuple):
    documents: int
    seconds: float
    mongod_s: float


def _insert_bare(house: House, kind: str) -> _Bare:
    found = [one for part in house.parts(kind) for one in house.database[part].find()]
    target = house.database.get_collection(f"bare_{kind}", write_concern=WriteConcern("majority"))
    if indexes := [index.model() for index in WEEKLY[kind]]:
        target.create_indexes(indexes)
    mongod = {"mongo": house.pids()["mongo"]}
    before, begun = spent_by_all(mongod)["mongo"], time.monotonic()
    for first in range(0, len(found), _BARE_BATCH):
        target.insert_many(found[first : first + _BARE_BATCH], ordered=False)
    seconds = time.monotonic() - begun
    spent = spent_by_all(mongod)["mongo"] - before
    target.drop()
    return _Bare(len(found), seconds, spent.cpu_s)


def records_of(house: House, *stages: list[Event]) -> list[Record]:
    """Write down all records of some stages, one after the other."""
    return [house.record_of(event) for event in itertools.chain(*stages)]
