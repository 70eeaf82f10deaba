"""What the runtime sets aside, the command line and the documents read: the same headers."""

from collections.abc import Sequence
from typing import Any, cast

import yaml

from yizhan_cli.commands.documents import asyncapi_text
from yizhan_cli.dead_letters import DeadLetter, Origin
from yizhan_runtime.aside import Aside, SetAside
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.publisher import Outgoing, Publisher
from yizhan_runtime.records import Headers, RawRecord

OWN: Headers = (("trace", b"\xff"), ("empty", None), ("dlq-origin", b"theirs/0/0"))


class Recorder:
    """Takes what would be published."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish_records(self, records: Sequence[Outgoing]) -> None:
        self.records += records


def record(key: bytes | None = b"k", value: bytes | None = b"\xff", **given: Any) -> RawRecord:
    return RawRecord("message.accepted.v1.bulk", 3, 42, key, value, OWN, 0, **given)


async def set_aside(aside: Aside) -> Outgoing:
    recorder = Recorder()
    await SetAside("receipts", cast("Publisher", recorder), SystemClock()).put([aside])
    [outgoing] = recorder.records
    return outgoing


def letter(outgoing: Outgoing) -> DeadLetter:
    return DeadLetter(0, 0, 0, outgoing.key, outgoing.value, outgoing.headers)


async def test_a_dead_letter_is_read_as_it_was_written() -> None:
    outgoing = await set_aside(Aside(record(attempt=8), "invalid", "text: Field required"))
    read = letter(outgoing)
    assert outgoing.topic == "receipts.dlq"
    assert (read.key, read.value, read.original_headers) == (b"k", b"\xff", OWN)
    assert (read.reason, read.error, read.attempts) == ("invalid", "text: Field required", "8")
    assert read.origin == Origin("message.accepted.v1.bulk", 3, 42)


async def test_a_record_without_key_and_value_is_told_apart() -> None:
    read = letter(await set_aside(Aside(record(key=None, value=None), "tombstone")))
    assert "neither key nor value" in read.unfit
    assert read.original_headers == OWN
    assert not letter(await set_aside(Aside(record(value=None), "tombstone"))).unfit


async def test_a_record_that_is_not_whole_says_so() -> None:
    read = letter(await set_aside(Aside(record(value=b"x" * 5_000_000), "oversized")))
    assert len(read.value or b"") == 5_000_000 or "beginning" in read.unfit
    assert read.origin == Origin("message.accepted.v1.bulk", 3, 42)


async def test_the_documents_name_every_header() -> None:
    document = yaml.safe_load(asyncapi_text())
    documented = document["components"]["messages"]["SetAside"]["headers"]["properties"].keys()
    asides = (
        Aside(record(), "failed", delay="5s"),
        Aside(record(key=None, value=None), "tombstone"),
        Aside(record(value=b"x" * 5_000_000), "oversized"),
    )
    written = [await set_aside(aside) for aside in asides]
    own = {name for name, _ in OWN}
    assert {name for one in written for name, _ in one.headers} - own <= documented
