import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook as Signer
from tools.simulators.tests.support import Webhook, until

pytestmark = pytest.mark.integration

PUSH_HEADERS = {"Accept": "application/json", "Content-Type": "application/json;charset=utf-8"}
RESULT = {
    "smsId": "624e76e6486648cd8be0dee3b5ccaaaa",
    "phone": "+8613800138000",
    "status": "0",
    "respMessage": "",
    "receiveTime": "2015-06-29 19:23:26",
    "chargingNum": "1",
}


def order(callback: str) -> dict[str, Any]:
    return {
        "ref": "m-v1",
        "to": "+8613800138000",
        "language": "zh",
        "script": "您的包裹已到",
        "callback": callback,
    }


async def ring(client: aiohttp.ClientSession, callback: str) -> tuple[int, dict[str, Any]]:
    async with client.post("/voice/calls", json=order(callback)) as response:
        return response.status, await response.json()


async def push(client: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    url = "/customers/shop/receipts"
    async with client.post(url, json=body, headers=PUSH_HEADERS) as response:
        return response.status, await response.json()


async def behave(client: aiohttp.ClientSession, path: str, patch: dict[str, Any]) -> None:
    async with client.put(f"/control/{path}", json=patch) as response:
        assert response.status == 200, await response.text()


async def record(client: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with client.get(f"/records/{path}") as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def test_call_is_taken_and_reported(client: aiohttp.ClientSession, webhook: Webhook) -> None:
    await behave(client, "providers/voice", {"ring_ms": 30, "numbers": {"+86": "busy"}})
    webhook.statuses = [500, 200]
    status, answer = await ring(client, webhook.url)
    await until(lambda: webhook.bodies)

    assert status == 202
    assert webhook.bodies[0]["id"] == answer["id"]
    assert webhook.bodies[0]["outcome"] == "busy"
    assert (await record(client, "providers/voice"))["callbacks_sent"] == 1


async def test_ref_rung_twice_shows(client: aiohttp.ClientSession, webhook: Webhook) -> None:
    await ring(client, webhook.url)
    await ring(client, webhook.url)
    found = await record(client, "providers/voice?detail=1")

    assert (found["calls"], found["refs_twice"]) == (2, ["m-v1"])
    assert len(found["by_ref"]["m-v1"]) == 2


async def test_refused_and_failed_calls(client: aiohttp.ClientSession) -> None:
    await behave(client, "providers/voice", {"refuse_ratio": 1})
    status, answer = await ring(client, "http://127.0.0.1:1/")
    assert (status, answer["code"]) == (422, "21211")

    await behave(client, "providers/voice", {"error_ratio": 1})
    assert await ring(client, "http://127.0.0.1:1/") == (500, {"taken": False})


async def test_provider_that_is_down_takes_nothing(client: aiohttp.ClientSession) -> None:
    await behave(client, "providers/voice", {"down": True})
    with pytest.raises(aiohttp.ClientError):
        await ring(client, "http://127.0.0.1:1/")

    assert (await record(client, "providers/voice"))["calls"] == 0


async def test_order_outside_the_protocol_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.post("/voice/calls", json={"ref": "x"}) as response:
        assert response.status == 422
        assert (await response.json())["problems"][0]["field"] == "to"


async def test_push_is_acknowledged_and_recorded(client: aiohttp.ClientSession) -> None:
    status, answer = await push(client, {"smsResult": [RESULT]})
    found = await record(client, "customers/shop?detail=1")

    assert (status, answer) == (200, {"respCode": "00000"})
    assert (found["count"], found["sms_ids"]) == (1, 1)
    assert found["by_sms_id"][RESULT["smsId"]]["status"] == "0"
    assert (await record(client, "customers/shop?phone=%2B861"))["by_sms_id"] == {}


async def test_push_with_a_number_where_a_string_belongs_is_not_acknowledged(
    client: aiohttp.ClientSession,
) -> None:
    status, answer = await push(client, {"smsResult": [RESULT | {"chargingNum": 1}]})

    assert status == 200
    assert answer["respCode"] != "00000"
    assert answer["problems"][0]["field"] == "smsResult.0.chargingNum"


async def test_customer_refuses_fails_and_goes_down(client: aiohttp.ClientSession) -> None:
    body = {"smsResult": [RESULT]}
    await behave(client, "customers/shop", {"refuse_ratio": 1, "refuse_resp_code": "10001"})
    assert await push(client, body) == (200, {"respCode": "10001"})

    await behave(client, "customers/shop", {"error_ratio": 1})
    assert (await push(client, body))[0] == 500

    await behave(client, "customers/shop", {"down": True})
    with pytest.raises(aiohttp.ClientError):
        await push(client, body)
    found = await record(client, "customers/shop")
    assert (found["pushes"], found["not_acknowledged"]) == (2, 2)


EVENT = {"type": "reply.received", "timestamp": "2026-11-29T08:00:00.000Z", "data": {"text": "Y"}}


async def tell(
    client: aiohttp.ClientSession, body: object, headers: dict[str, str] | None = None
) -> int:
    async with client.post("/customers/shop/events", json=body, headers=headers) as response:
        return response.status


async def test_events_are_taken_counted_by_type_and_refused_when_they_are_none(
    client: aiohttp.ClientSession,
) -> None:
    assert await tell(client, EVENT) == 200
    assert await tell(client, EVENT | {"more": 1}) == 400
    await behave(client, "customers/shop", {"error_ratio": 1})
    assert await tell(client, EVENT) == 500
    found = await record(client, "customers/shop")
    assert found["events"] == {"reply.received": 1}
    assert (found["events_not_acknowledged"], found["malformed"]) == (1, 1)


async def test_a_customer_with_a_secret_takes_only_what_is_signed_with_it(
    client: aiohttp.ClientSession,
) -> None:
    await behave(client, "customers/shop", {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    assert await tell(client, EVENT) == 400
    status, answer = await push(client, {"smsResult": [RESULT]})
    assert (status, answer["respCode"]) == (200, "40000")
    body, now = json.dumps(EVENT), datetime.now(UTC)
    reference = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": f"v1,bm9uZQ== {reference.sign('msg_1', now, body)}",
    }
    assert await tell(client, EVENT, headers) == 200
    assert await tell(client, EVENT | {"data": {}}, headers) == 400
