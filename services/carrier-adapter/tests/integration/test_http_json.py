"""The http-json carrier against a real HTTP server: what was taken, and what nobody knows."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Cause,
    Lost,
    NotTaken,
    Refused,
    Submission,
    Templated,
)
from carrier_adapter.carriers.http_json import HttpJsonCarrier
from yizhan_contracts.reasons import Reason

from ..unit.world import configured  # noqa: TID252 - the path has a hyphen

pytestmark = pytest.mark.integration

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALLBACK = "http://here/v1/carriers/a/receipts/token"


class Server:
    """A carrier's server that answers as it is told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.respond: Respond = self.accept
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(await request.json())
        self.headers.append(dict(request.headers))
        return await self.respond(request)

    async def accept(self, _request: web.Request) -> web.StreamResponse:
        messages = self.calls[-1]["messages"]
        return web.json_response(
            {
                "results": [
                    {"ref": one["ref"], "status": "accepted", "id": f"id-{one['ref']}"}
                    for one in messages
                ]
            }
        )


def says(status: int, body: Any = None, **headers: str) -> Respond:
    async def respond(_request: web.Request) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=raw, status=status, headers=headers)

    return respond


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/a/messages", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/a"
    yield server
    await runner.cleanup()


@pytest.fixture
async def carrier(server: Server) -> AsyncIterator[HttpJsonCarrier]:
    carrier = HttpJsonCarrier(configured(url=server.url, submit_timeout_s=0.4), "secret", CALLBACK)
    yield carrier
    await carrier.close()


def batch(*refs: str) -> list[Submission]:
    return [
        Submission(ref, f"+3360000000{n}", "S", f"text {ref}", 60) for n, ref in enumerate(refs)
    ]


async def submit(
    carrier: HttpJsonCarrier, *refs: str, may_write: Callable[[], bool] = lambda: True
) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    await carrier.submit(batch(*refs), may_write, answers.__setitem__)
    return answers


async def test_a_batch_goes_in_one_call_and_each_message_gets_its_answer(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    results = [
        {"ref": "2", "status": "refused", "code": "11", "detail": "no"},
        {"ref": "1", "status": "accepted", "id": 77},
        {"ref": "3", "status": "throttled"},
        {"ref": "4", "status": "accepted"},
        {"ref": "5", "status": "odd"},
        {"ref": "9", "status": "accepted", "id": "whose"},
        None,
    ]
    server.respond = says(200, {"results": results})
    answers = await submit(carrier, "1", "2", "3", "4", "5", "6")
    assert answers["1"] == Accepted(("77",))
    assert answers["2"] == Refused("11", Reason.NUMBER_INVALID, "no")
    assert answers["3"] == NotTaken(Cause.THROTTLED, Reason.THROTTLED)
    assert all(isinstance(answers[ref], Lost) for ref in "456")
    assert list(answers) == list("123456")
    (call,) = server.calls
    assert call["messages"][0] == {
        "ref": "1",
        "to": "+33600000000",
        "from": "S",
        "text": "text 1",
        "validity_s": 60,
        "callback": CALLBACK,
    }


async def test_a_template_goes_in_the_carriers_words(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    submission = Submission("1", "+336", "S", "text", 60, Templated("SMS_1", ("128", "maths")))
    await carrier.submit([submission], lambda: True, lambda _ref, _answer: None)
    (message,) = server.calls[0]["messages"]
    assert message["template"] == {"code": "SMS_1", "values": ["128", "maths"]}
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        (
            says(429, None, **{"Retry-After": "7"}),
            NotTaken(Cause.THROTTLED, Reason.THROTTLED, "http 429", 7.0),
        ),
        (
            says(503, {"taken": False}),
            NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "http 503"),
        ),
        (says(500, {"taken": False}), NotTaken(Cause.DOWN, Reason.CARRIER_ERROR, "http 500")),
        (says(401), NotTaken(Cause.DOWN, Reason.CARRIER_AUTH, "http 401")),
        (says(404), NotTaken(Cause.DOWN, Reason.CARRIER_ERROR, "http 404")),
        (says(307, None, Location="/b"), NotTaken(Cause.DOWN, Reason.CARRIER_ERROR, "http 307")),
        (says(503), Lost("http 503")),
        (says(500, {"taken": True}), Lost("http 500")),
        (says(502, b"<html>"), Lost("http 502")),
        (says(422, {"code": "11"}), Refused("11", Reason.NUMBER_INVALID, "http 422")),
        (says(400), Refused("http 400", Reason.CARRIER_ERROR, "http 400")),
        (says(200, b"{half"), Lost("the carrier's answer does not speak of it")),
        (says(200, []), Lost("the carrier's answer does not speak of it")),
    ],
)
async def test_every_answer_is_judged_by_what_it_says_was_taken(
    server: Server, carrier: HttpJsonCarrier, respond: Respond, expected: Answer
) -> None:
    server.respond = respond
    assert await submit(carrier, "1") == {"1": expected}


async def test_a_batch_refused_whole_is_handed_over_message_by_message(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        refs = [one["ref"] for one in server.calls[-1]["messages"]]
        if "bad" in refs:
            return web.json_response({"taken": False}, status=422)
        return await server.accept(request)

    server.respond = respond
    answers = await submit(carrier, "1", "bad", "2")
    assert answers["1"] == Accepted(("id-1",))
    assert isinstance(answers["bad"], Refused)
    assert answers["2"] == Accepted(("id-2",))


async def test_a_refused_connection_took_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    carrier = HttpJsonCarrier(configured(url=f"http://127.0.0.1:{port}/a"), "secret", CALLBACK)
    answers = await submit(carrier, "1", "2")
    assert not await carrier.is_up()
    await carrier.close()
    assert {type(answer) for answer in answers.values()} == {NotTaken}
    assert answers["1"] == NotTaken(Cause.DOWN, Reason.CARRIER_UNAVAILABLE, "ClientConnectorError")


async def test_a_connection_that_breaks_after_the_write_may_have_been_taken(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.respond = hang_up
    (answer,) = (await submit(carrier, "1")).values()
    assert isinstance(answer, Lost)
    assert len(server.calls) == 1, "aiohttp must not send it again by itself"


async def test_a_kept_connection_that_the_server_closed_is_not_written_twice(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    await submit(carrier, "1")
    await submit(carrier, "2")
    assert [call["messages"][0]["ref"] for call in server.calls] == ["1", "2"]


async def test_silence_is_waited_for_three_timeouts_and_then_lost(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(10)
        return web.Response()

    server.respond = hang
    loop = asyncio.get_running_loop()
    begun = loop.time()
    (answer,) = (await submit(carrier, "1")).values()
    assert isinstance(answer, Lost)
    assert 1.1 < loop.time() - begun < 2.5


async def test_not_one_byte_is_written_once_the_claims_are_too_old(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    asked: list[int] = []

    def may_write() -> bool:
        asked.append(len(server.calls))
        return False

    assert await submit(carrier, "1", "2", may_write=may_write) == {"1": TOO_LATE, "2": TOO_LATE}
    assert (asked, server.calls) == ([0], [])
    # The connection is not left half-used behind.
    assert await submit(carrier, "3") == {"3": Accepted(("id-3",))}


async def test_the_claims_age_is_asked_with_a_connection_in_hand(server: Server) -> None:
    """Connecting may take long: what counts is the moment of the first byte."""
    connected = False

    class Slow(HttpJsonCarrier):
        pass

    carrier = Slow(configured(url=server.url), "secret", CALLBACK)
    connector = carrier._session.connector
    assert connector is not None
    connect = connector.connect

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        nonlocal connected
        connection = await connect(*args, **kwargs)
        await asyncio.sleep(0.05)
        connected = True
        return connection

    connector.connect = slowly  # type: ignore[method-assign]
    await submit(carrier, "1", may_write=lambda: not connected)
    await carrier.close()
    assert not server.calls


async def test_a_carrier_is_up_when_it_answers_an_empty_batch_itself(
    server: Server, carrier: HttpJsonCarrier
) -> None:
    for status, is_up in ((422, True), (200, True), (429, True), (503, False), (401, False)):
        server.respond = says(status)
        assert await carrier.is_up() is is_up
    assert server.calls[0] == {"messages": []}
