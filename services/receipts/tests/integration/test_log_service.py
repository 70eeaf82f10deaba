"""The log as the running service tells it: from Kafka to the answer, with its time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from services.receipts.tests.integration.conftest import TOKEN, Corner, publish, until
from services.receipts.tests.unit.making import RECIPIENT, finished, message, receipt

from yizhan_contracts import ids
from yizhan_contracts.events import AttemptOutcome, ReceiptState, ReplyReceived
from yizhan_runtime import Service

pytestmark = pytest.mark.integration


async def ask(service: Service, path: str, **asked: Any) -> Any:
    """Ask the service's own routes, without a socket."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": urlencode(asked).encode(),
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await service.http(scope, receive, send)
    assert sent[0]["status"] == 200
    return json.loads(b"".join(part.get("body", b"") for part in sent[1:]))


async def test_what_is_complete_is_found_by_whichever_instance_is_asked(corner: Corner) -> None:
    asked, other = await corner.start(), await corner.start()
    now = datetime.now(UTC)
    of = message(
        ids.new_message_id(RECIPIENT, int(now.timestamp() * 1000)),
        accepted_at=now,
        valid_until=now + timedelta(hours=1),
    )
    submitted = finished(AttemptOutcome.SUBMITTED, of=of, sender="10690000", finished_at=now)
    delivered = receipt(ReceiptState.DELIVERED, message_id=of.message_id, received_at=now)
    await publish(asked, of, submitted, delivered)
    published_at = datetime.now(UTC)

    async def is_complete() -> bool:
        said = (await ask(asked, "/v1/log", phone=RECIPIENT))["as_of"]["complete_until"]
        return said is not None and datetime.fromisoformat(said) > published_at

    await until(is_complete)
    for service in (asked, other):
        (row,) = (await ask(service, "/v1/log", phone=RECIPIENT))["messages"]
        assert (row["message_id"], row["status"]) == (of.message_id, "delivered")


async def test_a_reply_is_found_in_its_conversation_and_in_the_trace(corner: Corner) -> None:
    service = await corner.start()
    now = datetime.now(UTC)
    of = message(ids.new_message_id(RECIPIENT, int(now.timestamp() * 1000)), accepted_at=now)
    submitted = finished(AttemptOutcome.SUBMITTED, of=of, sender="10690000", finished_at=now)
    await publish(service, of, submitted)

    async def is_sent() -> bool:
        page = await ask(service, "/v1/log", phone=RECIPIENT)
        return [row["attempts"] for row in page["messages"]] == [1]

    await until(is_sent)
    reply = ReplyReceived(
        channel="a",
        carrier_account="carrier-a",
        carrier_message_id="mo-1",
        sender=RECIPIENT,
        recipient="10690000",
        text="好的",
        received_at=now + timedelta(seconds=5),
    )
    await publish(service, reply)
    asked = {"phone": RECIPIENT, "account_id": "acme", "with": "text"}

    async def is_heard() -> bool:
        return bool((await ask(service, "/v1/replies", **asked))["replies"])

    await until(is_heard)
    page = await ask(service, "/v1/conversations", **asked, sender="10690000")
    said = [(one["direction"], (one["message"] or one["reply"])["text"]) for one in page["entries"]]
    assert said == [("received", "好的"), ("sent", of.text)]
    trace = await ask(service, f"/v1/messages/{of.message_id}")
    assert [one["reply_id"] for one in trace["replies"]] == ["carrier-a:mo-1"]
    assert trace["replies"][0]["text"] is None
