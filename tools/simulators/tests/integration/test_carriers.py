import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from tools.simulators.tests.support import Webhook, until

from yizhan_simulators.app import Simulators

pytestmark = pytest.mark.integration


def message(callback: str, ref: str = "m-1", to: str = "+8613800138000") -> dict[str, Any]:
    return {
        "ref": ref,
        "to": to,
        "from": "YIZHAN",
        "text": "您的包裹已到",
        "validity_s": 300,
        "callback": callback,
    }


async def submit(
    client: aiohttp.ClientSession, *messages: dict[str, Any], carrier: str = "alpha"
) -> tuple[int, dict[str, Any]]:
    body = {"messages": list(messages)}
    async with client.post(f"/{carrier}/messages", json=body) as response:
        return response.status, await response.json()


async def behave(client: aiohttp.ClientSession, patch: dict[str, Any], of: str = "alpha") -> Any:
    async with client.put(f"/control/carriers/{of}", json=patch) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def record(client: aiohttp.ClientSession, path: str = "/alpha") -> Any:
    async with client.get(f"/records/carriers{path}") as response:
        return await response.json()


async def test_message_is_accepted_and_its_receipt_delivered(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    status, answer = await submit(
        client, message(webhook.url), message(webhook.url, "n-1", "+33612345678")
    )
    await until(lambda: len(webhook.receipts) == 2)
    one, two = answer["results"]
    summary = await record(client)

    assert status == 200
    assert (one["ref"], one["status"]) == ("m-1", "accepted")
    assert [receipt["id"] for receipt in webhook.receipts] == [one["id"], two["id"]]
    assert webhook.receipts[0]["state"] == "delivered"
    assert webhook.receipts[0]["ref"] == "m-1"
    assert (summary["handed"], summary["refs"], summary["refs_twice"]) == (2, 2, [])
    assert summary["by_country"] == {"CN": 1, "FR": 1}
    assert summary["receipts_sent"] == 2


async def test_receipts_come_in_batches(client: aiohttp.ClientSession, webhook: Webhook) -> None:
    for start in range(0, 300, 100):
        await submit(client, *(message(webhook.url, f"m{start + n}-1") for n in range(100)))
    await until(lambda: len(webhook.receipts) == 300)

    assert len(webhook.bodies) < 10
    assert max(len(body["receipts"]) for body in webhook.bodies) == 100


async def test_results_say_refused_and_throttled(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await behave(client, {"refuse_numbers": {"+33": "407"}, "throttle_tps": 2})
    _, answer = await submit(
        client,
        message(webhook.url, "a-1", "+33612345678"),
        message(webhook.url, "b-1"),
        message(webhook.url, "c-1"),
    )

    refused, accepted, throttled = answer["results"]
    assert (refused["status"], refused["code"]) == ("refused", "407")
    assert accepted["status"] == "accepted"
    assert throttled == {"ref": "c-1", "status": "throttled"}


async def test_throttled_submit_names_a_time(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await behave(client, {"throttle_tps": 1})
    await submit(client, message(webhook.url))
    async with client.post(
        "/alpha/messages", json={"messages": [message(webhook.url)]}
    ) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert await response.json() == {"taken": False}


async def test_failed_submit_says_that_nothing_was_taken(client: aiohttp.ClientSession) -> None:
    await behave(client, {"error_ratio": 1, "error_status": 503})

    assert await submit(client, message("http://a/")) == (503, {"taken": False})
    assert (await record(client))["handed"] == 0


@pytest.mark.parametrize(
    "behaviour",
    [{"lose_answer_ratio": 1}, {"lose_answer_ratio": 1, "lose_answer_by": "hang"}, {"hang": True}],
)
async def test_lost_answer_is_recorded_and_gets_its_receipt(
    client: aiohttp.ClientSession, webhook: Webhook, behaviour: dict[str, Any]
) -> None:
    await behave(client, behaviour)
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        async with asyncio.timeout(0.3):
            await submit(client, message(webhook.url))
    await until(lambda: webhook.receipts)

    assert (await record(client))["handed"] == 1


async def test_answer_lost_behind_a_gateway_says_nothing_of_taking(
    client: aiohttp.ClientSession,
) -> None:
    await behave(client, {"lose_answer_ratio": 1, "lose_answer_by": "error"})
    status, answer = await submit(client, message("http://127.0.0.1:1/"))

    assert status == 502
    assert "taken" not in answer
    assert (await record(client))["handed"] == 1


async def test_down_breaks_off_and_takes_nothing(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    await behave(client, {"down": True})
    with pytest.raises(aiohttp.ClientError):
        await submit(client, message("http://a/"))
    await behave(client, {"down": False})
    summary = await record(client)

    assert summary["handed"] == 0
    assert (await submit(client, message("http://127.0.0.1:1/")))[0] == 200
    assert [found for found in caplog.records if found.levelno >= logging.ERROR] == []


async def test_carrier_with_its_own_port_refuses_connections_while_down(
    client: aiohttp.ClientSession, simulators: Simulators
) -> None:
    port = simulators.own_ports["carriers", "gamma"]
    headers = {"Authorization": "Bearer any"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as own:
        assert (await submit(own, message("http://127.0.0.1:1/"), carrier="gamma"))[0] == 200
        await behave(client, {"down": True}, of="gamma")
        with pytest.raises(aiohttp.ClientConnectorError):
            await submit(own, message("http://127.0.0.1:1/"), carrier="gamma")
        await behave(client, {"down": False}, of="gamma")
        assert (await submit(own, message("http://127.0.0.1:1/"), carrier="gamma"))[0] == 200


async def test_early_receipt_is_there_before_the_answer(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await behave(client, {"latency_ms": 0, "receipt": {"early_ratio": 1}})
    _, answer = await submit(client, message(webhook.url))

    assert [receipt["id"] for receipt in webhook.receipts] == [answer["results"][0]["id"]]


async def test_receipts_wait_for_a_webhook_that_is_down(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await webhook.stop()
    await behave(client, {"receipt": {"delay_ms": 0}})
    await submit(client, message(webhook.url))
    await asyncio.sleep(0.3)
    assert (await record(client))["receipts_pending"] == 1

    await webhook.start()
    await until(lambda: webhook.receipts)
    assert len(webhook.receipts) == 1


async def test_receipts_are_repeated_until_the_answer_is_200(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    webhook.statuses = [503, 204, 200]
    await submit(client, message(webhook.url))
    await until(lambda: webhook.receipts)

    assert (await record(client))["receipts_sent"] == 1


async def test_duplicate_receipts_say_the_same_twice(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    receipt = {"duplicate_ratio": 1, "duplicate_after_ms": 10, "echo_ref": False}
    await behave(client, {"receipt": receipt})
    await submit(client, message(webhook.url))
    await until(lambda: len(webhook.receipts) == 2)
    first, second = webhook.receipts

    assert first["id"] == second["id"]
    assert "ref" not in first


async def test_wrong_secret_takes_nothing(client: aiohttp.ClientSession) -> None:
    shown = await behave(client, {"secret": "right"})
    assert "right" not in str(shown)
    assert (await submit(client, message("http://a/")))[0] == 401

    await behave(client, {"secret": "any"})
    assert (await submit(client, message("http://127.0.0.1:1/")))[0] == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [message("http://a/")] * 101}, "messages"),
        ({"messages": [message("ftp://a/")]}, "messages.0.callback"),
        ({"messages": [message("http://a/") | {"extra": 1}]}, "messages.0.extra"),
        ({}, "messages"),
        ([], "(body)"),
    ],
)
async def test_submit_outside_the_protocol_is_refused_whole(
    client: aiohttp.ClientSession, body: Any, field: str
) -> None:
    async with client.post("/alpha/messages", json=body) as response:
        answer = await response.json()
        assert response.status == 422

    assert answer["taken"] is False
    assert answer["problems"][0]["field"] == field


async def test_empty_submit_shows_whether_the_carrier_is_up(client: aiohttp.ClientSession) -> None:
    assert (await submit(client))[0] == 422
    await behave(client, {"error_ratio": 1, "error_status": 503})
    assert (await submit(client))[0] == 503
    await behave(client, {"error_ratio": 0, "hang": True})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await submit(client)
    summary = await record(client)

    assert (summary["probes"], summary["invalid"], summary["handed"]) == (3, 0, 0)


async def test_bad_behaviour_is_refused_with_its_path(client: aiohttp.ClientSession) -> None:
    patch = {"receipt": {"delay_mss": 1}}
    async with client.put("/control/carriers/alpha", json=patch) as response:
        assert response.status == 422
        (problem,) = (await response.json())["problems"]
        assert problem["field"] == "receipt.delay_mss"
        assert "delay_ms" in problem["do"]
    async with client.put("/control/carriers/alpha", data=b"{") as response:
        assert response.status == 422
    async with client.put("/control/carriers/no%20name", json={}) as response:
        assert response.status == 404
    async with client.put("/control/carrier/alpha", json={}) as response:
        assert response.status == 404


async def test_behaviour_can_be_shown_and_reset(client: aiohttp.ClientSession) -> None:
    await behave(client, {"refuse_ratio": 1})
    async with client.get("/control/carriers") as response:
        assert (await response.json())["alpha"]["refuse_ratio"] == 1
    async with client.delete("/control/carriers/alpha") as response:
        assert (await response.json())["refuse_ratio"] == 0
    async with client.get("/control/carriers/alpha") as response:
        assert (await response.json())["refuse_ratio"] == 0


async def test_records_tell_details_and_can_be_cleared(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await submit(client, message(webhook.url, "m-1"), message(webhook.url, "n-1"))
    await submit(client, message(webhook.url, "m-2"), carrier="beta")
    total = await record(client, "")
    detail = await record(client, "/alpha?ref=m-")

    assert total["handed"] == 3
    assert total["messages_on_several_carriers"] == {"m": ["alpha", "beta"]}
    assert set(total["carriers"]) == {"alpha", "beta"}
    assert list(detail["by_ref"]) == ["m-1"]
    assert detail["by_ref"]["m-1"][0]["text"] == "您的包裹已到"
    assert "by_ref" not in await record(client)

    async with client.delete("/records/carriers/alpha") as response:
        assert await response.json() == {"cleared": ["alpha"]}
    assert (await record(client))["handed"] == 0
    async with client.delete("/records/carriers") as response:
        assert sorted((await response.json())["cleared"]) == ["alpha", "beta"]
    assert (await record(client, ""))["handed"] == 0


async def test_recipients_reply_to_the_callback_of_replies(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await behave(client, {"reply": {"ratio": 1, "text": "TD", "after_ms": 0}})
    await submit(client, message(webhook.url))
    reply = {"from": "+8613800138001", "to": "10690001", "text": "?"}
    async with client.post("/control/carriers/alpha/replies", json=reply) as response:
        assert response.status == 202
    await until(lambda: len([body for body in webhook.bodies if "replies" in body]) == 2)
    replies = [reply for body in webhook.bodies for reply in body.get("replies", ())]

    assert sorted((r["from"], r["to"], r["text"]) for r in replies) == [
        ("+8613800138000", "YIZHAN", "TD"),
        ("+8613800138001", "10690001", "?"),
    ]
    assert {len(reply["id"]) for reply in replies} == {32}
    assert set(webhook.paths) == {"/receipts/token", "/replies/token"}


async def test_garbage_in_place_of_an_answer_is_a_hand_over(
    client: aiohttp.ClientSession, webhook: Webhook
) -> None:
    await behave(client, {"lose_answer_ratio": 1, "lose_answer_by": "garbage"})
    body = {"messages": [message(webhook.url)]}
    async with client.post("/alpha/messages", json=body) as response:
        text = await response.text()

    assert (response.status, text[-1]) == (200, '"')
    assert (await record(client))["handed"] == 1
