"""A call when no SMS gets through: at most one, and none once the SMS is there."""

import pytest

from tests.support.world import World
from yizhan_contracts.events import Medium, Status

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="session")]

CARRIER = "apex-global"
URGENT = {"template": "customs-held", "variables": {"tracking_number": "AU1"}, "language": "en"}


async def test_a_failed_sms_is_read_out_in_a_call(world: World) -> None:
    receipt = {"delivered_ratio": 0, "fail_code": "UNDELIV"}
    await world.ends.carrier(CARRIER, by_country={"AU": {"receipt": receipt}})
    phone = world.number("AU")
    message_id = await world.send(phone, account="-quick", **URGENT)
    settled = await world.settled(message_id)
    assert (settled.status, settled.via) == (Status.DELIVERED, Medium.VOICE)
    (ring,) = await world.ends.rings(message_id)
    assert (ring["to"], ring["language"]) == (phone, "en")
    assert ring["script"].startswith("Hello, this is Yizhan.")
    # The push speaks of the SMS, and goes when the SMS is final.
    (push,) = await world.pushed(message_id, "quick")
    assert (push["status"], push["resp_message"]) == ("1", "UNDELIV")


async def test_an_overdue_receipt_leads_to_a_call(world: World) -> None:
    await world.ends.carrier(CARRIER, by_country={"US": {"accept_but_no_receipt_ratio": 1}})
    await world.ends.carrier(
        "delta-americas", by_country={"US": {"accept_but_no_receipt_ratio": 1}}
    )
    message_id = await world.send(world.number("US"), account="-quick", **URGENT)
    settled = await world.settled(message_id, within_s=45)
    assert (settled.status, settled.via) == (Status.DELIVERED, Medium.VOICE)
    assert len(await world.ends.rings(message_id)) == 1
    assert len(await world.ends.handed(message_id)) == 1


async def test_a_late_delivered_after_the_call_is_pushed_as_a_success(world: World) -> None:
    late = {"receipt": {"delay_ms": 9000}}
    await world.ends.carrier(CARRIER, by_country={"US": late})
    await world.ends.carrier("delta-americas", by_country={"US": late})
    message_id = await world.send(world.number("US"), account="-quick", **URGENT)
    settled = await world.settled(message_id, within_s=45)
    assert (settled.status, settled.via) == (Status.DELIVERED, Medium.VOICE)
    pushes = await world.pushed(message_id, "quick", times=2, within_s=30)
    assert [push["status"] for push in pushes] == ["1", "0"]
    assert len(await world.ends.rings(message_id)) == 1


async def test_a_call_that_nobody_answers_leaves_the_message_failed(world: World) -> None:
    receipt = {"delivered_ratio": 0, "fail_code": "UNDELIV"}
    await world.ends.carrier(CARRIER, by_country={"AU": {"receipt": receipt}})
    await world.ends.behave("providers", "lyra-voice", {"no_answer_ratio": 1, "ring_ms": 200})
    message_id = await world.send(world.number("AU"), account="-quick", **URGENT)
    settled = await world.settled(message_id, within_s=45)
    assert (settled.status, settled.reason) == (Status.FAILED, "handset-unreachable")
    assert len(await world.ends.rings(message_id)) == 2, "voice.yaml says max_rings: 2"
    (push,) = await world.pushed(message_id, "quick")
    assert push["status"] == "1"


async def test_no_call_after_a_failure_that_a_call_cannot_help(world: World) -> None:
    receipt = {"delivered_ratio": 0, "fail_code": "vacant-number"}
    await world.ends.carrier(CARRIER, by_country={"AU": {"receipt": receipt}})
    message_id = await world.send(world.number("AU"), account="-quick", **URGENT)
    assert (await world.settled(message_id)).status is Status.FAILED
    assert await world.ends.rings(message_id) == []
