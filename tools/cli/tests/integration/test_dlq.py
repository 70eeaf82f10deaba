"""Dead letters on a real Kafka: counted, shown, put back byte for byte, each once."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from yizhan_cli.errors import Exit

from .conftest import Yizhan

pytestmark = pytest.mark.integration

ORIGIN = "reply.received.v1"
SECRET = b'{"sender": "+447700900123"}'


def notes(
    reason: str = "invalid", origin: str = f"{ORIGIN}/4/17"
) -> list[tuple[str, bytes | None]]:
    return [
        ("dlq-reason", reason.encode()),
        ("dlq-error", b"text: Field required"),
        ("dlq-origin", origin.encode()),
        ("dlq-attempts", b"0"),
    ]


@pytest.fixture
async def producer(kafka_url: str, yizhan: Yizhan) -> AsyncIterator[AIOKafkaProducer]:
    assert yizhan("topics", "apply").code == 0
    started = AIOKafkaProducer(bootstrap_servers=kafka_url, max_request_size=4_000_000)
    await started.start()
    yield started
    await started.stop()


async def records_of(kafka_url: str, topic: str) -> list[tuple[object, ...]]:
    """Read a topic whole: (partition, key, value, headers)."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in range(6)]
    consumer.assign(partitions)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[object, ...]] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += [(r.partition, r.key, r.value, tuple(r.headers)) for r in batch]
        return found
    finally:
        await consumer.stop()


async def test_an_empty_dlq_is_empty(yizhan: Yizhan) -> None:
    yizhan("topics", "apply")
    assert yizhan("dlq", "list", "receipts", "--json").json["total"] == 0
    replayed = yizhan("dlq", "replay", "receipts", "--all", "--json")
    assert (replayed.code, replayed.json) == (0, {"replayed": 0, "skipped": 0, "failed": []})


def test_without_its_topic_a_dlq_is_not_found(yizhan: Yizhan) -> None:
    done = yizhan("dlq", "list", "receipts")
    assert done.code == Exit.NOT_FOUND
    assert "yizhan topics apply" in done.err


async def test_dead_letters_are_counted_by_reason_and_origin_without_their_values(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str
) -> None:
    topic = f"{namespace}receipts.dlq"
    for n in range(30):
        reason = "invalid" if n % 3 else "tombstone"
        await producer.send_and_wait(topic, SECRET, b"+447700900123", headers=notes(reason))

    listed = yizhan("dlq", "list", "receipts", "--json")
    assert listed.json["total"] == listed.json["waiting"] == 30
    groups = {one["reason"]: one for one in listed.json["groups"]}
    assert {reason: one["count"] for reason, one in groups.items()} == {
        "invalid": 20,
        "tombstone": 10,
    }
    assert {one["origin"] for one in groups.values()} == {ORIGIN}
    table = yizhan("dlq", "list", "receipts")
    for shown in (listed.out, table.out):
        assert "7700900123" not in shown


async def test_one_dead_letter_is_shown_and_its_value_only_on_demand(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str
) -> None:
    headers = [("campaign", b"\xff\xfe"), ("empty", None), *notes()]
    sent = await producer.send_and_wait(
        f"{namespace}receipts.dlq", SECRET, b"+447700900123", headers=headers
    )
    place = f"{sent.partition}/{sent.offset}"

    shown = yizhan("dlq", "show", "receipts", place)
    assert shown.code == 0
    assert "text: Field required" in shown.out
    assert "campaign, empty" in shown.out
    assert "7700900123" not in shown.out
    assert "--reveal" in shown.err

    revealed = yizhan("dlq", "show", "receipts", place, "--reveal", "--json").json
    assert revealed["value"] == SECRET.decode()
    assert revealed["key"] == "+447700900123"
    assert revealed["headers"] == ["campaign: base64://4=", "empty: None"]
    assert yizhan("dlq", "show", "receipts", "0/999").code == Exit.NOT_FOUND
    assert yizhan("dlq", "show", "receipts", "9/0").code == Exit.NOT_FOUND


async def test_a_replay_puts_the_original_back_where_it_stood(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str, kafka_url: str
) -> None:
    own = [("trace", b"\x00\xff"), ("empty", None), ("dlq-reason", b"theirs")]
    sent = await producer.send_and_wait(
        f"{namespace}receipts.dlq", b"\xffnot json", None, headers=[*own, *notes()]
    )
    replayed = yizhan("dlq", "replay", "receipts", f"{sent.partition}/{sent.offset}", "--json")
    assert (replayed.code, replayed.json["replayed"]) == (0, 1)
    assert await records_of(kafka_url, f"{namespace}{ORIGIN}") == [
        (4, None, b"\xffnot json", tuple(own))
    ]


async def test_a_tombstone_is_put_back_as_one(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str, kafka_url: str
) -> None:
    await producer.send_and_wait(f"{namespace}receipts.dlq", None, b"k", headers=notes())
    assert yizhan("dlq", "replay", "receipts", "--all").code == 0
    assert await records_of(kafka_url, f"{namespace}{ORIGIN}") == [(4, b"k", None, ())]


async def test_each_is_replayed_once_unless_asked_again(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str, kafka_url: str
) -> None:
    topic, origin = f"{namespace}receipts.dlq", f"{namespace}{ORIGIN}"
    for n in range(40):
        await producer.send_and_wait(topic, b"%d" % n, b"k", partition=n % 2, headers=notes())

    picked = ("0/3", "0/4", "1/19")
    assert yizhan("dlq", "replay", "receipts", *picked, "--json").json["replayed"] == 3
    assert yizhan("dlq", "list", "receipts", "--json").json["waiting"] == 37
    repeated = yizhan("dlq", "replay", "receipts", "0/3", "--json").json
    assert (repeated["replayed"], repeated["skipped"]) == (0, 1)

    rest = yizhan("dlq", "replay", "receipts", "--all", "--json").json
    assert (rest["replayed"], rest["skipped"]) == (37, 3)
    assert yizhan("dlq", "list", "receipts", "--json").json["waiting"] == 0
    values = [value for _, _, value, _ in await records_of(kafka_url, origin)]
    assert sorted(values, key=lambda value: int(str(value)[2:-1])) == [b"%d" % n for n in range(40)]

    again = yizhan("dlq", "replay", "receipts", "0/3", "--again", "--json").json
    assert again["replayed"] == 1
    assert len(await records_of(kafka_url, origin)) == 41


async def test_all_of_one_reason_can_be_replayed(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str
) -> None:
    for reason in ("invalid", "failed", "failed"):
        await producer.send_and_wait(f"{namespace}router.dlq", b"1", headers=notes(reason))
    done = yizhan("dlq", "replay", "router", "--all", "--reason", "failed", "--json")
    assert done.json["replayed"] == 2
    assert yizhan("dlq", "list", "router", "--json").json["waiting"] == 1


async def test_what_cannot_be_put_back_is_named_and_holds_up_nothing(
    yizhan: Yizhan, producer: AIOKafkaProducer, namespace: str, kafka_url: str
) -> None:
    topic = f"{namespace}receipts.dlq"
    oversized = b"x" * 1_100_000
    bad = [
        (b"1", notes(origin="nowhere.v1/0/1")),
        (b"2", notes(origin=f"{ORIGIN}/99/1")),
        (b"3", []),
        (oversized, notes()),
        (None, [*notes(), ("null-key", b"1")]),
    ]
    for value, headers in bad:
        await producer.send_and_wait(topic, value, b"", partition=0, headers=headers)
    for n in range(10):
        await producer.send_and_wait(topic, b"good %d" % n, partition=0, headers=notes())

    done = yizhan("dlq", "replay", "receipts", "--all", "--json")
    assert done.code == Exit.NOT_REPLAYED
    assert done.json["replayed"] == 10
    assert [one["place"] for one in done.json["failed"]] == [f"0/{n}" for n in range(5)]
    assert len(await records_of(kafka_url, f"{namespace}{ORIGIN}")) == 10
    assert yizhan("dlq", "list", "receipts", "--json").json["waiting"] == 5
