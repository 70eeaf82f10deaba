"""A cut feed and receipts that come too late, by the thousand, on a real Kafka and MongoDB."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from services.receipts.tests.integration.conftest import Corner, count, publish, until
from services.receipts.tests.unit.making import WITH_CALL, finished, message, message_id_of, receipt

from yizhan_contracts.events import (
    AttemptOutcome,
    Event,
    MessageSettled,
    Policy,
    ReceiptState,
    Status,
)
from yizhan_contracts.topics import MESSAGE_SETTLED, VOICE_REQUESTED
from yizhan_runtime import Service

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MANY = 2000
LATE = range(0, MANY, 10)
"""One in ten: were they one after the other, it would be a feed that is cut for a moment."""
SOON = """
deadlines: { countries: { CN: 3 } }
missing_feeds: { look_again_s: 1, look_again_most_s: 2, grace_s: 3, longest_s: 600 }
"""


def handed_over(numbers: range, policy: Policy, valid_for_s: float) -> list[Event]:
    """Give messages that a carrier has taken, and that say nothing of how long to wait."""
    valid_until = datetime.now(UTC) + timedelta(seconds=valid_for_s)
    said: list[Event] = []
    for number in numbers:
        of = message(message_id_of(number), policy=policy, valid_until=valid_until)
        taken = finished(
            AttemptOutcome.SUBMITTED,
            of=of,
            carrier_message_id=f"c-{number}",
            receipt_timeout_s=None,
        )
        said += [of, taken]
    return said


def delivered(numbers: Iterable[int]) -> list[Event]:
    return [
        receipt(
            ReceiptState.DELIVERED,
            message_id=message_id_of(number),
            carrier_message_id=f"c-{number}",
        )
        for number in numbers
    ]


async def two_instances(corner: Corner, folder: Path) -> Sequence[Service]:
    file = folder / "waiting.yaml"
    file.write_text(SOON)
    return [
        await corner.start(instance=name, receipts_waiting_file=file, receipts_sweep_margin_s=0.2)
        for name in ("receipts-1", "receipts-2")
    ]


async def test_cut_feed_is_no_storm_of_calls_and_its_receipts_settle_all_when_they_come(
    corner: Corner, tmp_path: Path
) -> None:
    service, _ = await two_instances(corner, tmp_path)
    mongo = service.mongo()
    await publish(service, *handed_over(range(MANY), WITH_CALL, 3600))

    async def is_held_back() -> bool:
        return await count(mongo, "facts", kind="held-back", state="missing") >= 2 * MANY

    await until(is_held_back, within_s=60)
    assert await count(mongo, "settled") == 0
    assert not await corner.read(VOICE_REQUESTED.name)
    await publish(service, *delivered(range(MANY)))

    async def is_heard() -> bool:
        return len(corner.customer.heard) == MANY

    await until(is_heard, within_s=60)
    assert {status for heard in corner.customer.heard.values() for status in heard} == {"0"}
    assert await count(mongo, "settled", status="delivered", revision=1) == MANY
    assert not await corner.read(VOICE_REQUESTED.name)


async def test_receipts_past_their_deadline_correct_and_are_pushed_again_once(
    corner: Corner, tmp_path: Path
) -> None:
    service, _ = await two_instances(corner, tmp_path)
    mongo = service.mongo()
    await publish(service, *handed_over(range(MANY), Policy(), 0))
    await publish(service, *delivered(set(range(MANY)) - set(LATE)))

    async def is_unknown() -> bool:
        return await count(mongo, "settled", status=Status.UNKNOWN.value) == len(LATE)

    async def has_heard(result: tuple[str, ...], times: int) -> bool:
        return [tuple(heard) for heard in corner.customer.heard.values()].count(result) == times

    await until(is_unknown, within_s=60)
    await until(lambda: has_heard(("1",), len(LATE)))
    await publish(service, *delivered(LATE))
    await until(lambda: has_heard(("1", "0"), len(LATE)))
    await until(lambda: has_heard(("0",), MANY - len(LATE)))
    told = [MessageSettled.model_validate_json(v) for v in await corner.read(MESSAGE_SETTLED.name)]
    corrected = [event for event in told if event.revision == 2]
    # A record that is read again, as after a rebalance, says it again: only the push says it once.
    assert {event.message_id for event in corrected} == {message_id_of(i) for i in LATE}
    assert {event.status for event in corrected} == {Status.DELIVERED}
    assert await count(mongo, "facts", kind="held-back") == 0
