"""Receipts: normalised, tolerant item by item, acknowledged only when Kafka has them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.receiving.normalise import normalise, read
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.receiving.taking import Taking
from carrier_adapter.receiving.webhook import MOST_RECEIPTS, Webhook
from yizhan_contracts.events import ReceiptReceived, ReceiptState, ReplyReceived
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.errors import Fatal

from .fakes import EPOCH, FakeKafka, FakeReplyParts, Steps
from .world import configured, plan

TOKEN = "the-token"


class Edge:
    """The webhook without its server."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.remembered = RememberedIds(3)
        self.failures: list[BaseException] = []
        self.metrics = AdapterMetrics(CollectorRegistry())
        taking = Taking(
            self.kafka.seen_by(Steps()),
            self.remembered,
            FakeReplyParts(),
            SystemClock(),
            self.metrics,
            self.failures.append,
        )
        channel = configured(reasons={"X1": "number-suspended"})
        self.webhook = Webhook(taking, {"a": channel}.get, lambda _channel: TOKEN)

    async def post(
        self, body: Any, *, channel: str = "a", token: str = TOKEN, what: str = "receipts"
    ) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        path = {"channel": channel, "token": token}
        scope = {"type": "http", "headers": [], "method": "POST", "path_params": path}
        on = self.webhook.on_replies if what == "replies" else self.webhook.on_receipts
        response = await on(Request(scope, receive))
        return response.status_code, json.loads(bytes(response.body))

    def receipts(self) -> list[ReceiptReceived]:
        return self.kafka.of(ReceiptReceived)


@pytest.fixture
def edge() -> Edge:
    return Edge()


def receipt(**values: Any) -> dict[str, Any]:
    return {"id": "c1", "state": "delivered", "code": "000", "at": "2026-11-23T10:00:00Z", **values}


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("delivered", "000", (ReceiptState.DELIVERED, Reason.NONE)),
        ("delivered", "UNDELIV", (ReceiptState.DELIVERED, Reason.NONE)),
        ("failed", "UNDELIV", (ReceiptState.FAILED, Reason.HANDSET_UNREACHABLE)),
        ("failed", "MK:0001", (ReceiptState.FAILED, Reason.NUMBER_VACANT)),
        ("failed", "X1", (ReceiptState.FAILED, Reason.NUMBER_SUSPENDED)),
        ("failed", "000", (ReceiptState.FAILED, Reason.UNKNOWN)),
        ("failed", "never heard of", (ReceiptState.FAILED, Reason.UNKNOWN)),
        ("expired", "", (ReceiptState.FAILED, Reason.HANDSET_UNREACHABLE)),
        ("rejected", "", (ReceiptState.FAILED, Reason.CARRIER_INTERCEPTED)),
        ("REJECTED", "ID:0076", (ReceiptState.FAILED, Reason.CONTENT_BLOCKED)),
        ("buffered", "", (ReceiptState.BUFFERED, Reason.NONE)),
        ("unknown", "", (ReceiptState.UNKNOWN, Reason.UNKNOWN)),
        ("enroute", "", (ReceiptState.UNKNOWN, Reason.UNKNOWN)),
    ],
)
def test_a_carriers_words_become_ours(
    state: str, code: str, expected: tuple[ReceiptState, Reason]
) -> None:
    channel = configured(reasons={"X1": "number-suspended"})
    said = read(receipt(state=state, code=code))
    event = normalise(said, channel, RememberedIds(1), EPOCH)
    assert (event.state, event.reason, event.carrier_code) == (*expected, code)


def test_the_attempt_is_the_echoed_one_else_the_remembered_one_else_none() -> None:
    channel, remembered = configured(), RememberedIds(10)
    known, echoed = plan(), plan()
    remembered.put_all(channel.carrier_account, ["c1"], known)

    def attempt_of(**values: Any) -> tuple[str | None, str]:
        event = normalise(read(receipt(**values)), channel, remembered, EPOCH)
        return event.attempt_id, event.country

    assert attempt_of(ref=echoed.attempt_id) == (echoed.attempt_id, "FR")
    assert attempt_of(ref="not ours") == (known.attempt_id, "FR")
    assert attempt_of(id="c2") == (None, "")
    assert attempt_of(id=2, ref=echoed.attempt_id) == (echoed.attempt_id, "")


def test_only_a_delivery_has_a_delivery_time_and_the_carriers_own_is_kept_as_written() -> None:
    channel = configured()

    def times(**values: Any) -> tuple[datetime | None, str]:
        event = normalise(read(receipt(**values)), channel, RememberedIds(1), EPOCH)
        return event.delivered_at, event.carrier_time

    at = "2026-11-23T18:00:00+08:00"
    assert times(at=at) == (datetime(2026, 11, 23, 10, tzinfo=UTC), at)
    assert times(at=at, state="failed") == (None, at)
    assert times(at="2026-11-23 10:00:00") == (None, "2026-11-23 10:00:00")
    assert times(at="2611231000") == (None, "2611231000")


def test_ids_are_forgotten_oldest_first() -> None:
    remembered = RememberedIds(2)
    for number in range(3):
        remembered.put_all("x", [str(number)], plan())
    assert [remembered.get("x", str(number)) is not None for number in range(3)] == [
        False,
        True,
        True,
    ]


async def test_a_call_is_published_in_one_go_and_then_acknowledged(edge: Edge) -> None:
    answer = await edge.post({"receipts": [receipt(id=str(n)) for n in range(1000)]})
    assert answer == (200, {"taken": 1000, "problems": []})
    assert (edge.kafka.calls, len(edge.receipts())) == (1, 1000)


async def test_a_bad_receipt_is_named_and_costs_the_others_nothing(edge: Edge) -> None:
    bad = [{}, None, receipt(id=""), receipt(state=None), receipt(id=["x"]), receipt(code=True)]
    status, answer = await edge.post({"receipts": [receipt(), *bad, receipt(id="c9"), {"id": 7}]})
    assert (status, answer["taken"]) == (200, 2)
    assert [problem["index"] for problem in answer["problems"]] == [1, 2, 3, 4, 5, 6, 8]
    assert [event.carrier_message_id for event in edge.receipts()] == ["c1", "c9"]


async def test_a_carrier_is_told_to_come_again_while_kafka_is_away(edge: Edge) -> None:
    edge.kafka.away = 1
    assert (await edge.post({"receipts": [receipt()]}))[0] == 503
    assert (await edge.post({"receipts": [receipt()]}))[0] == 200


async def test_a_broken_producer_ends_the_process_and_acknowledges_nothing(edge: Edge) -> None:
    edge.kafka.error = Fatal("poisoned")
    assert (await edge.post({"receipts": [receipt()]}))[0] == 503
    assert isinstance(edge.failures[0], Fatal)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{not json", 400),
        (b"\xff\xfe", 400),
        ([], 422),
        ({"receipts": {}}, 422),
        ({"receipts": [receipt()] * (MOST_RECEIPTS + 1)}, 413),
        (b" " * (3 * 1024 * 1024), 413),
    ],
)
async def test_what_is_no_call_of_receipts_is_refused(edge: Edge, body: Any, status: int) -> None:
    assert (await edge.post(body))[0] == status
    assert not edge.receipts()


@pytest.mark.parametrize(
    ("channel", "token"), [("a", "wrong"), ("a", ""), ("b", TOKEN), ("ü", "ü")]
)
async def test_nobody_comes_in_without_the_channels_token(
    edge: Edge, channel: str, token: str
) -> None:
    assert (await edge.post({"receipts": [receipt()]}, channel=channel, token=token))[0] == 404
    assert not edge.receipts()


async def test_a_channel_without_a_token_has_no_webhook(edge: Edge) -> None:
    edge.webhook._token_of = lambda _channel: ""
    assert (await edge.post({"receipts": [receipt()]}, token=""))[0] == 404


def reply(**values: Any) -> dict[str, Any]:
    return {"id": "mo-1", "from": "+8613800000017", "to": "10690000", "text": "TD", **values}


async def test_replies_are_published_and_a_bad_one_is_named_and_costs_the_others_nothing(
    edge: Edge,
) -> None:
    bad = [{}, None, reply(id=""), reply(to=""), reply(text=7), reply(**{"from": "10086"})]
    body = {"replies": [reply(), *bad, reply(id="mo-2", **{"from": "8613800000017"}, text="")]}
    status, answer = await edge.post(body, what="replies")
    assert (status, answer["taken"]) == (200, 2)
    assert [problem["index"] for problem in answer["problems"]] == [1, 2, 3, 4, 5, 6]
    said = [
        (one.carrier_message_id, one.sender, one.recipient, one.text)
        for one in edge.kafka.of(ReplyReceived)
    ]
    assert said == [
        ("mo-1", "+8613800000017", "10690000", "TD"),
        ("mo-2", "+8613800000017", "10690000", ""),
    ]


async def test_a_call_of_replies_is_none_of_receipts(edge: Edge) -> None:
    assert (await edge.post({"receipts": [receipt()]}, what="replies"))[0] == 422
    edge.kafka.away = 1
    assert (await edge.post({"replies": [reply()]}, what="replies"))[0] == 503
    assert (await edge.post({"replies": [reply()]}, what="replies", token="wrong"))[0] == 404
