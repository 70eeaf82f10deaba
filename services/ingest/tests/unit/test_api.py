"""The HTTP API as an application: who may, what is refused, once, together, described."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.fakes import (
    NOON,
    FakeAnswers,
    FakeClock,
    FakeContent,
    FakeInputs,
    FakePublisher,
    FakeStops,
    rich_purse,
)
from services.ingest.tests.unit.making import AUTHORIZATION, CA, SECRET, US, catalogue, random_bits

from ingest.codes import Code
from ingest.content.checking import ContentRules
from ingest.content.words import WordList
from ingest.keys.callers import Authenticator
from ingest.keys.domain import KeyTable
from ingest.keys.seeds import seeded
from ingest.limits.throttle import Throttle
from ingest.metrics import IngestMetrics
from ingest.optouts.domain import Action, Stop
from ingest.requests.api import Api, BodySizes
from ingest.requests.collector import Collector
from ingest.requests.many import AcceptMany
from ingest.requests.service import AcceptRequests, Limits
from yizhan_runtime.errors import Fatal, Retryable

OPERATOR = "the-operators-token"
VALUES = {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"}
BODY: dict[str, Any] = {"to": US, "template": "score", "variables": VALUES}


class World:
    """The API on ports in memory."""

    def __init__(self, **limits: Any) -> None:
        self.clock = FakeClock()
        self.inputs = FakeInputs()
        self.publisher = FakePublisher()
        self.content = FakeContent()
        self.stops = FakeStops()
        self.app = FastAPI()
        metrics = IngestMetrics(CollectorRegistry())
        self.requests = AcceptRequests(
            self.inputs,
            self.publisher,
            self.content,
            purse=rich_purse(self.inputs, self.clock),
            stops=self.stops,
            clock=self.clock,
            random_bits=random_bits(),
            metrics=metrics,
            limits=Limits(**{"request_timeout_s": 5.0, **limits}),
        )
        accounts = catalogue()
        keys = KeyTable(seeded(accounts.accounts(), self.clock.now()))
        self.authenticator = Authenticator(keys, accounts, self.clock, OPERATOR)
        self.answers = FakeAnswers()
        self.many = AcceptMany(
            self.requests, self.answers, self.clock, secrets.randbits, timeout_s=5.0
        )
        sizes = BodySizes(4096, 100_000)
        throttle = Throttle(self.clock)
        Api(
            self.authenticator, self.requests, self.many, metrics, self.clock, sizes, throttle
        ).mount(self.app)

    async def post(
        self, body: Any = None, key: str | None = None, auth: str = AUTHORIZATION, **headers: str
    ) -> Reply:
        sent = (
            body if isinstance(body, bytes) else json.dumps(BODY if body is None else body).encode()
        )
        given = {"Authorization": auth, "Content-Type": "application/json"} | headers
        if key is not None:
            given["Idempotency-Key"] = key
        return await call(self.app, "POST", "/v1/messages", headers=given, body=sent, chunk=1000)

    async def get(self, message_id: str, auth: str = AUTHORIZATION) -> Reply:
        path = f"/v1/messages/{message_id}"
        return await call(self.app, "GET", path, headers={"Authorization": auth})


async def running(world: World) -> AsyncIterator[World]:
    works = (
        world.requests.collector.run(),
        world.requests.notes.run(),
        world.many.collector.run(),
    )
    tasks = [asyncio.create_task(work) for work in works]
    yield world
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async for started in running(World()):
        yield started


def check_problem(reply: Reply, status: int, code: Code, field: str = "") -> dict[str, Any]:
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert (problem["status"], problem["code"], problem["field"]) == (status, code, field)
    assert problem["type"] == f"urn:yizhan:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["what_to_do"]
    return problem


async def test_a_message_is_published_and_then_accepted(world: World) -> None:
    reply = await world.post({**BODY, "reference": "candidate-1"})
    assert reply.status == 202
    (message,) = world.publisher.messages()
    assert message.text == "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"
    assert message.reference == "candidate-1"
    accepted = reply.json()
    assert accepted == {
        "message_id": message.message_id,
        "status": "accepted",
        "reference": "candidate-1",
        "country": "US",
        "charging_num": 1,
        "segments": 1,
        "accepted_at": "2026-11-23T12:00:00Z",
        "valid_until": "2026-11-23T13:00:00Z",
    }
    assert reply.headers["location"] == f"/v1/messages/{message.message_id}"


async def test_a_message_can_be_shown_at_once(world: World) -> None:
    accepted = await world.post()
    shown = await world.get(accepted.json()["message_id"])
    assert (shown.status, shown.json()) == (200, accepted.json())


async def test_a_request_may_choose_lane_sender_language_and_validity(world: World) -> None:
    await world.post(
        {
            "to": US,
            "template": "delivered",
            "language": "en-GB",
            "variables": {"tracking_number": "T1"},
            "lane": "bulk",
            "sender": "Shop",
            "validity_s": 60,
        }
    )
    (message,) = world.publisher.messages()
    assert (message.text, message.lane, message.sender) == (
        "[Yizhan] T1 was delivered.",
        "bulk",
        "Shop",
    )
    assert (message.valid_until - message.accepted_at).total_seconds() == 60


async def test_a_test_keys_messages_are_marked(world: World) -> None:
    await world.post(auth=f"Bearer test-key.{SECRET}")
    assert world.publisher.messages()[0].test


# ---- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "auth",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer send-and-read",
        "Bearer send-and-read.",
        "Bearer send-and-read.wrong",
        f"Bearer nobody.{SECRET}",
        f"Basic send-and-read.{SECRET}",
        "Bearer \xff.\xff",
    ],
)
@pytest.mark.parametrize("route", ["post", "get"])
async def test_without_key_and_secret_nothing_is_told(world: World, auth: str, route: str) -> None:
    reply = await (world.post(auth=auth) if route == "post" else world.get("0" * 32, auth=auth))
    check_problem(reply, 401, Code.UNAUTHENTICATED, "Authorization")
    assert reply.headers["www-authenticate"] == "Bearer, YIZHAN-HMAC-SHA256"
    assert world.inputs.stored == {}


async def test_a_key_does_only_what_its_scopes_say(world: World) -> None:
    send_only = f"bearer send-only.{SECRET}"
    accepted = await world.post(auth=send_only)
    assert accepted.status == 202
    reply = await world.get(accepted.json()["message_id"], auth=send_only)
    check_problem(reply, 403, Code.SCOPE_MISSING, "Authorization")


async def test_another_accounts_message_is_not_found(world: World) -> None:
    accepted = await world.post()
    reply = await world.get(accepted.json()["message_id"], auth=f"Bearer other-key.{SECRET}")
    check_problem(reply, 404, Code.MESSAGE_NOT_FOUND, "message_id")


@pytest.mark.parametrize("message_id", ["0" * 32, "x", "%00", "a" * 5000])
async def test_what_is_no_message_is_not_found(world: World, message_id: str) -> None:
    check_problem(await world.get(message_id), 404, Code.MESSAGE_NOT_FOUND, "message_id")


async def test_an_account_that_is_not_verified_sends_nothing(world: World) -> None:
    reply = await world.post(auth=f"Bearer waiting-key.{SECRET}")
    check_problem(reply, 403, Code.ACCOUNT_NOT_VERIFIED)


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"to": "07700 900123"}, Code.NUMBER_COUNTRY_CODE_MISSING, "to"),
        ({"to": "+442079460000"}, Code.NUMBER_NOT_MOBILE, "to"),
        ({"to": "x" * 41}, Code.FIELD_INVALID, "to"),
        ({"to": 12015550123}, Code.FIELD_INVALID, "to"),
        ({"template": "nowhere"}, Code.TEMPLATE_UNKNOWN, "template"),
        ({"version": 9}, Code.TEMPLATE_UNKNOWN, "template"),
        ({"version": 1}, Code.TEMPLATE_NOT_APPROVED, "template"),
        ({"template": "unapproved", "variables": {}}, Code.TEMPLATE_NOT_APPROVED, "template"),
        ({"variables": {**VALUES, "score": "123456"}}, Code.VARIABLE_TOO_LONG, "variables.score"),
        ({"variables": {**VALUES, "name": "x" * 81}}, Code.VARIABLE_TOO_LONG, "variables.name"),
        (
            {"variables": {**VALUES, "name": "a\nb"}},
            Code.VARIABLE_CONTROL_CHARACTER,
            "variables.name",
        ),
        ({"variables": {**VALUES, "more": "x"}}, Code.VARIABLE_UNKNOWN, "variables.more"),
        ({"variables": {**VALUES, "name": 7}}, Code.FIELD_INVALID, "variables.name"),
        ({"sender": "Nobody"}, Code.SENDER_UNKNOWN, "sender"),
        ({"sender": "72345"}, Code.SENDER_NOT_APPROVED, "sender"),
        ({"lane": "fast"}, Code.FIELD_INVALID, "lane"),
        ({"validity_s": 1}, Code.FIELD_INVALID, "validity_s"),
        ({"validity_s": 259_201}, Code.FIELD_INVALID, "validity_s"),
        ({"reference": "x" * 201}, Code.FIELD_INVALID, "reference"),
        ({"too": US}, Code.FIELD_INVALID, "too"),
    ],
)
async def test_a_mistake_is_named_by_code_and_field(
    world: World, changes: dict[str, Any], code: Code, field: str
) -> None:
    check_problem(await world.post({**BODY, **changes}), 422, code, field)
    assert world.inputs.stored == {}
    assert world.publisher.published == []


async def test_who_wants_no_messages_gets_none_but_repeats_are_told_their_first_answer(
    world: World,
) -> None:
    first = await world.post(key="k-1")
    world.stops.stopped[("shop", US)] = (Stop("shop", US, {Action.OPT_OUT: NOON}),)
    check_problem(await world.post(key="k-2"), 422, Code.RECIPIENT_OPTED_OUT, "to")
    assert (await world.post(key="k-1")).json() == first.json()
    assert (await world.post({**BODY, "to": CA})).status == 202
    assert len(world.publisher.messages()) == 2


EXAM = "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"


async def test_a_text_that_is_an_approved_template_is_sent_as_it(world: World) -> None:
    assert (await world.post({"to": US, "text": EXAM})).status == 202
    (message,) = world.publisher.messages()
    assert message.text == EXAM
    assert message.template is not None
    assert (message.template.template_id, message.template.version) == ("score", 2)
    assert message.template.variables == VALUES


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"text": EXAM + "退订回T"}, Code.TEXT_MATCHES_NONE, "text"),
        ({"text": "你好"}, Code.TEXT_MATCHES_NONE, "text"),  # of a template that is pending
        ({"text": EXAM, "template": "score"}, Code.FIELD_INVALID, ""),
        ({"text": EXAM, "variables": VALUES}, Code.FIELD_INVALID, ""),
        ({"text": ""}, Code.FIELD_INVALID, "text"),
        ({"text": "x" * 2001}, Code.FIELD_INVALID, "text"),
        ({}, Code.FIELD_INVALID, ""),
    ],
)
async def test_a_text_that_is_no_approved_template_is_refused(
    world: World, body: dict[str, Any], code: Code, field: str
) -> None:
    check_problem(await world.post({"to": US} | body), 422, code, field)
    assert world.publisher.published == []


async def test_a_chinese_numbers_network_is_named_by_its_range(world: World) -> None:
    for number in ("+8619912345678", US):
        await world.post({**BODY, "to": number})
    assert [message.network for message in world.publisher.messages()] == ["46003", ""]


async def test_a_test_number_is_a_test_whatever_the_key(world: World) -> None:
    for number in ("+12015550145", US):
        assert (await world.post({**BODY, "to": number})).status == 202
    assert [message.test for message in world.publisher.messages()] == [True, False]


async def test_the_test_template_is_there_for_test_keys_alone(world: World) -> None:
    body = {"to": US, "template": "yizhan-test", "variables": {"code": "123456"}}
    check_problem(await world.post(body), 422, Code.TEMPLATE_UNKNOWN, "template")
    reply = await world.post({**body, "language": "zh-CN"}, auth=f"Bearer test-key.{SECRET}")
    assert reply.status == 202
    (message,) = world.publisher.messages()
    assert message.test
    assert message.text == "【驿站测试】您的验证码是123456。"


@pytest.mark.parametrize(
    ("name", "code", "offset"),
    [
        ("the casino", Code.CONTENT_SENSITIVE_WORD, 4),
        ("限时抢购", Code.CONTENT_MARKETING, 0),
        ("see evil.com", Code.VARIABLE_LINK, 7),
        ("+44 7700 900123", Code.VARIABLE_PHONE_NUMBER, 0),
        ("x【某银行】", Code.VARIABLE_SENDER_BRACKET, 1),
        ("x\u202ey", Code.VARIABLE_DIRECTION_MARK, 1),
    ],
)
async def test_what_may_not_be_said_is_refused_with_rule_and_place(
    world: World, name: str, code: Code, offset: int
) -> None:
    world.content.current = ContentRules(WordList(["casino"]), WordList(["限时抢购"]))
    reply = await world.post({**BODY, "variables": {**VALUES, "name": name}})
    assert reply.status == 422
    (told,) = reply.json()["errors"]
    assert (told["code"], told["field"], told["offset"]) == (code, "variables.name", offset)
    assert name not in reply.body.decode()
    assert world.publisher.published == []


async def test_all_mistakes_are_named_at_once(world: World) -> None:
    reply = await world.post({"to": "1", "template": "score", "variables": {"name": "x", "y": "z"}})
    assert [(e["code"], e["field"]) for e in reply.json()["errors"]] == [
        (Code.NUMBER_COUNTRY_CODE_MISSING, "to"),
        (Code.VARIABLE_MISSING, "variables.code"),
        (Code.VARIABLE_MISSING, "variables.subject"),
        (Code.VARIABLE_MISSING, "variables.score"),
        (Code.VARIABLE_UNKNOWN, "variables.y"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"null", b"\xff", b'{"to": "\\ud800"}', b"[" * 4000, b"\x00"]
)
async def test_a_body_that_is_no_json_object_is_refused(world: World, body: bytes) -> None:
    check_problem(await world.post(body), 400, Code.JSON_MALFORMED)


async def test_a_large_body_is_refused(world: World) -> None:
    check_problem(await world.post(b" " * 4097), 413, Code.BODY_TOO_LARGE)


async def test_another_media_type_is_refused(world: World) -> None:
    reply = await world.post(**{"Content-Type": "text/csv"})
    check_problem(reply, 415, Code.MEDIA_TYPE_UNSUPPORTED, "Content-Type")
    assert (await world.post(**{"Content-Type": "Application/JSON; charset=utf-8"})).status == 202


@pytest.mark.parametrize("key", ["", " ", "a b", "\x7f", "ü", "x" * 256])
async def test_an_idempotency_key_is_printable_and_short(world: World, key: str) -> None:
    check_problem(await world.post(key=key), 400, Code.IDEMPOTENCY_KEY_INVALID, "Idempotency-Key")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, Code.ROUTE_NOT_FOUND),
        ("GET", "/v1/messages", 405, Code.METHOD_NOT_ALLOWED),
        ("DELETE", "/v1/messages/" + "0" * 32, 405, Code.METHOD_NOT_ALLOWED),
    ],
)
async def test_wrong_addresses_are_problems_too(
    world: World, method: str, path: str, status: int, code: Code
) -> None:
    reply = await call(world.app, method, path)
    check_problem(reply, status, code)
    assert ("allow" in reply.headers) == (status == 405)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=90),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.dictionaries(
        st.sampled_from(["to", "template", "version", "language", "variables", "lane", "x"]),
        JSON,
        max_size=3,
    )
)
async def test_no_json_is_a_mistake_of_ours(world: World, changes: dict[str, Any]) -> None:
    reply = await world.post({**BODY, **changes})
    assert reply.status in {202, 400, 413, 422}


# ---- once ---------------------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_message(world: World) -> None:
    first = await world.post(key="k1")
    world.clock.turn(60)
    second = await world.post(json.dumps(dict(reversed(BODY.items())), indent=1).encode(), key="k1")
    assert (first.status, second.status) == (202, 202)
    assert first.json() == second.json()
    assert len(world.publisher.messages()) == 1


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    await world.post(key="k1")
    reply = await world.post({**BODY, "reference": "other"}, key="k1")
    check_problem(reply, 422, Code.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
    assert len(world.publisher.messages()) == 1


async def test_keys_of_two_accounts_have_nothing_to_do_with_each_other(world: World) -> None:
    first = await world.post(key="k1")
    second = await world.post(key="k1", auth=f"Bearer other-key.{SECRET}")
    assert first.json()["message_id"] != second.json()["message_id"]


async def test_without_a_key_every_request_is_a_message(world: World) -> None:
    ids = {(await world.post()).json()["message_id"] for _ in range(3)}
    assert len(ids) == 3
    assert world.inputs.done == set()


async def test_a_request_that_failed_is_in_flight_and_then_taken_over(world: World) -> None:
    world.publisher.failures = 1
    failed = await world.post(key="k1")
    check_problem(failed, 503, Code.UNAVAILABLE)
    (stored,) = world.inputs.stored.values()
    early = await world.post(key="k1")
    check_problem(early, 409, Code.REQUEST_IN_FLIGHT, "Idempotency-Key")
    assert early.headers["retry-after"] == "1"
    world.clock.turn(int(failed.headers["retry-after"]))
    late = await world.post(key="k1")
    assert late.status == 202
    assert late.json()["message_id"] == stored.message.message_id
    assert [m.message_id for m in world.publisher.messages()] == [stored.message.message_id]


async def test_a_takeover_by_another_body_sends_nothing(world: World) -> None:
    world.publisher.failures = 1
    await world.post(key="k1")
    world.clock.turn(6)
    reply = await world.post({**BODY, "reference": "other"}, key="k1")
    check_problem(reply, 422, Code.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
    assert world.publisher.messages() == []


async def test_a_takeover_that_crashes_again_keeps_the_id(world: World) -> None:
    world.publisher.failures = 2
    await world.post(key="k1")
    world.clock.turn(6)
    assert (await world.post(key="k1")).status == 503
    assert (await world.post(key="k1")).status == 202
    assert len(world.inputs.stored) == 1
    assert len(world.publisher.messages()) == 1


async def test_a_repeat_before_its_note_is_written_gets_the_same_answer() -> None:
    world = World()
    task = asyncio.create_task(world.requests.collector.run())
    first, second = await world.post(key="k1"), await world.post(key="k1")
    assert world.inputs.done == set()
    assert first.json() == second.json()
    assert len(world.publisher.messages()) == 1
    task.cancel()
    await asyncio.wait([task])


async def test_a_note_that_is_lost_costs_a_second_publish_of_the_same_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_ids: object) -> None:
        raise Retryable("the store is away")

    monkeypatch.setattr(world.inputs, "add_done", fail)
    first = await world.post(key="k1")
    await asyncio.sleep(0.01)
    world.clock.turn(6)
    second = await world.post(key="k1")
    assert first.json() == second.json()
    one, again = world.publisher.messages()
    assert one == again


# ---- together -----------------------------------------------------------------------------------


async def test_requests_that_wait_are_stored_and_published_together(world: World) -> None:
    world.publisher.gate = asyncio.Event()
    posts = [asyncio.create_task(world.post(key=f"k{n}")) for n in range(50)]
    await asyncio.sleep(0.01)
    world.publisher.gate.set()
    replies = await asyncio.gather(*posts)
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json()["message_id"] for reply in replies}) == 50
    assert len(world.inputs.adds) <= 3
    assert world.publisher.publishes <= 3


async def test_the_same_key_at_the_same_time_is_one_message(world: World) -> None:
    world.publisher.gate = asyncio.Event()
    first = asyncio.create_task(world.post(key="other"))
    await asyncio.sleep(0.01)
    bodies = [BODY, BODY, {**BODY, "reference": "other"}]
    posts = [asyncio.create_task(world.post(body, key="k1")) for body in bodies]
    await asyncio.sleep(0.01)
    world.publisher.gate.set()
    one, same, other = await asyncio.gather(*posts)
    assert (await first).status == 202
    assert one.json() == same.json()
    check_problem(other, 422, Code.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")
    assert len(world.publisher.messages()) == 2


async def test_a_round_takes_no_more_than_its_limit() -> None:
    async for world in running(World(max_round=10)):
        posts = [asyncio.create_task(world.post()) for _ in range(25)]
        assert {reply.status for reply in await asyncio.gather(*posts)} == {202}
        assert max(world.inputs.adds) <= 10


async def test_kafka_away_is_a_503_that_says_when_to_come_back(world: World) -> None:
    world.publisher.failures = 1
    reply = await world.post()
    check_problem(reply, 503, Code.UNAVAILABLE)
    assert reply.headers["retry-after"] == "5"


async def test_mongodb_away_is_a_503(world: World) -> None:
    world.inputs.away = True
    check_problem(await world.post(), 503, Code.UNAVAILABLE)
    check_problem(await world.get("0" * 32), 503, Code.UNAVAILABLE)
    world.inputs.away = False
    assert (await world.post()).status == 202


async def test_a_request_waits_no_longer_than_its_timeout() -> None:
    async for world in running(World(request_timeout_s=0.05)):
        world.publisher.gate = asyncio.Event()
        check_problem(await world.post(), 503, Code.UNAVAILABLE)
        world.publisher.gate.set()


async def test_who_gave_up_before_the_round_gets_no_message() -> None:
    async for world in running(World(max_rounds=1, request_timeout_s=0.05)):
        world.publisher.gate = asyncio.Event()
        await asyncio.gather(world.post(), world.post())
        late = await world.post()
        check_problem(late, 503, Code.UNAVAILABLE)
        stored = len(world.inputs.stored)
        world.publisher.gate.set()
        await asyncio.sleep(0.01)
        assert len(world.inputs.stored) == stored


async def test_too_many_that_wait_are_turned_away_at_once() -> None:
    async for world in running(World(max_waiting=2, max_rounds=1, request_timeout_s=30.0)):
        world.publisher.gate = asyncio.Event()
        begun = asyncio.create_task(world.post())
        await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(world.post()) for _ in range(2)]
        await asyncio.sleep(0.01)
        check_problem(await world.post(), 503, Code.BUSY)
        world.publisher.gate.set()
        assert {r.status for r in await asyncio.gather(begun, *waiting)} == {202}


async def test_a_stop_lets_the_round_in_hand_end_and_refuses_the_rest() -> None:
    world = World(max_rounds=1)
    task = asyncio.create_task(world.requests.collector.run())
    world.publisher.gate = asyncio.Event()
    begun = asyncio.create_task(world.post())
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(world.post())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    world.publisher.gate.set()
    await asyncio.wait([task])
    assert (await begun).status == 202
    check_problem(await waiting, 503, Code.UNAVAILABLE)
    check_problem(await world.post(), 503, Code.UNAVAILABLE)


async def test_a_poisoned_producer_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def fail(_events: object) -> None:
        raise Fatal("the producer is poisoned")

    monkeypatch.setattr(world.publisher, "publish", fail)
    task = asyncio.create_task(world.requests.collector.run())
    with pytest.raises(Fatal):
        await world.post()
    with pytest.raises(Fatal):
        await task


# ---- its own description ------------------------------------------------------------------------


def schema_of(document: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


async def test_the_openapi_document_is_true(world: World) -> None:
    document = world.app.openapi()
    schema_of(document, "SendRequest").validate(BODY)
    assert not schema_of(document, "SendRequest").is_valid({**BODY, "x": 1})
    accepted = await world.post()
    schema_of(document, "Accepted").validate(accepted.json())
    schema_of(document, "Problem").validate((await world.post(b"{")).json())
    send = document["paths"]["/v1/messages"]["post"]
    assert set(send["responses"]) == {
        *("202", "400", "401", "402", "403", "409", "413", "415", "422", "429", "500", "503")
    }
    assert send["security"] == [{"signature": []}, {"key": []}]
    assert "key" in document["components"]["securitySchemes"]
    assert send["parameters"][0]["name"] == "Idempotency-Key"
    show = document["paths"]["/v1/messages/{message_id}"]["get"]
    assert set(show["responses"]) == {"200", "401", "403", "404", "415", "500", "503"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_the_example_in_the_document_is_accepted(world: World) -> None:
    schema = world.app.openapi()["components"]["schemas"]["SendRequest"]
    example = {**schema["examples"][0], "template": "score"}
    assert (await world.post(example)).status == 202


async def test_a_round_begins_beside_another_when_enough_wait() -> None:
    gate, sizes = asyncio.Event(), list[int]()

    async def handle(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        await gate.wait()
        return items

    collector: Collector[int, int] = Collector(
        handle, max_round=10, max_waiting=50, max_rounds=2, min_beside=3
    )
    running = asyncio.create_task(collector.run())
    asked: list[asyncio.Task[int]] = []
    for waiting, expected in [(1, [1]), (2, [1]), (1, [1, 3]), (9, [1, 3])]:
        asked += [asyncio.create_task(collector.submit(1, 30.0)) for _ in range(waiting)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert sizes == expected
    gate.set()
    await asyncio.gather(*asked)
    assert sizes == [1, 3, 9]
    running.cancel()
    await asyncio.wait([running])
