"""How many attempts ended in doubt, as the adapters said on their topic."""

from aiokafka import AIOKafkaConsumer

from yizhan_contracts.topics import ATTEMPT_FINISHED

_IN_DOUBT = b'"outcome":"in-doubt"'


async def count_in_doubt(kafka_url: str, namespace: str) -> int:
    """Count the attempts, each once, of a namespace's whole past."""
    consumer = AIOKafkaConsumer(
        namespace + ATTEMPT_FINISHED.name,
        bootstrap_servers=kafka_url,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    found: set[bytes] = set()
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found |= {_attempt(r.value) for r in records if _IN_DOUBT in r.value}
    finally:
        await consumer.stop()
    return len(found)


def _attempt(value: bytes) -> bytes:
    return value.partition(b'"attempt_id":"')[2].partition(b'"')[0]
