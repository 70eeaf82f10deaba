"""The messages of a run, as router, carrier-adapter and a carrier would tell of them."""

import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer

from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptFinished,
    AttemptOutcome,
    Event,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    ReceiptReceived,
    ReceiptState,
    VoicePolicy,
)
from yizhan_contracts.topics import address_of
from yizhan_runtime import to_json

ACCOUNT, CHANNEL, CARRIER = "bench", "apex-global", "apex-yizhan"
COUNTRIES = ("DE", "FR", "ES", "IT", "PL")
WITH_CALL = Policy(voice=VoicePolicy.ON_FAILURE, voice_wait_s=60)
WITHOUT_CALL = Policy()
_OPEN_AT_ONCE = 20_000


def accepted(count: int, policy: Policy, valid_for: timedelta) -> list[MessageAccepted]:
    """Make messages of now."""
    now = datetime.now(UTC)
    return [_message(number, policy, now, now + valid_for) for number in range(count)]


def _message(number: int, policy: Policy, now: datetime, valid_until: datetime) -> MessageAccepted:
    recipient = f"+4915{number:09d}"
    at_ms = int(time.time() * 1000)
    return MessageAccepted(
        message_id=ids.new_message_id(recipient, at_ms, secrets.randbits),
        account_id=ACCOUNT,
        reference=f"B{number}",
        lane=(Lane.URGENT, Lane.STANDARD, Lane.BULK)[number % 3],
        recipient=recipient,
        country=COUNTRIES[number % len(COUNTRIES)],
        sender="Yizhan",
        text="Your parcel is at the station.",
        charging_num=1,
        voice_script="Your parcel is at the station.",
        policy=policy,
        origin=Origin(kind=OriginKind.API, arrived_at=now),
        accepted_at=now,
        valid_until=valid_until,
    )


def submitted(message: MessageAccepted) -> AttemptFinished:
    """Say that a carrier took it."""
    return AttemptFinished(
        attempt_id=ids.attempt_id(message.message_id, 1),
        message_id=message.message_id,
        n=1,
        channel=CHANNEL,
        carrier_account=CARRIER,
        outcome=AttemptOutcome.SUBMITTED,
        carrier_message_id=message.message_id[12:],
        sender=message.sender,
        country=message.country,
        tried=(CHANNEL,),
        receipt_timeout_s=message.policy.receipt_timeout_s,
        finished_at=datetime.now(UTC),
    )


def delivered(message: MessageAccepted) -> ReceiptReceived:
    """Say that it was delivered; the receipt does not name its attempt, as most do not."""
    now = datetime.now(UTC)
    return ReceiptReceived(
        channel=CHANNEL,
        carrier_account=CARRIER,
        carrier_message_id=message.message_id[12:],
        state=ReceiptState.DELIVERED,
        country=message.country,
        delivered_at=now,
        received_at=now,
    )


def handed_over(messages: Iterable[MessageAccepted]) -> Iterator[Event]:
    for message in messages:
        yield message
        yield submitted(message)


async def publish(kafka_url: str, namespace: str, events: Iterable[Event]) -> int:
    """Write events where the registry puts them; give how many."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_url, acks="all", linger_ms=5, compression_type="zstd",
        max_batch_size=131_072,
    )  # fmt: skip
    await producer.start()
    count = 0
    try:
        for event in events:
            to = address_of(event)
            await producer.send(namespace + to.topic, to_json(event), to.key, to.partition)
            count += 1
            if count % _OPEN_AT_ONCE == 0:
                await producer.flush()
    finally:
        await producer.stop()
    return count
