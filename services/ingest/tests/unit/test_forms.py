"""The other forms of a request: many recipients, XML, a query. Hostile ones are refused."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.making import AUTHORIZATION, CA, SECRET, US, US_OTHER
from services.ingest.tests.unit.test_api import (
    BODY,
    VALUES,
    World,
    check_problem,
    running,
    schema_of,
)

from ingest.codes import Code
from ingest.requests.formats import read_xml, write_xml
from ingest.requests.wire import MAX_RECIPIENTS
from yizhan_contracts.events import BatchClosed
from yizhan_runtime.errors import Retryable

MANY: dict[str, Any] = {
    "template": "score",
    "variables": {"subject": "数学", "code": "1"},
    "recipients": [
        {"to": US, "variables": {"name": "张三", "score": "99"}, "reference": "row-1"},
        {"to": "07700 900123", "variables": {"name": "李四", "score": "98"}, "reference": "row-2"},
        {"to": CA, "variables": {"name": "王五", "score": "97", "code": "3"}},
    ],
}
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<message><to>{US}</to><template>score</template><version>2</version><reference>r-1</reference>
<variables><name>张三</name><code>2026001</code><subject>数学</subject><score>99</score></variables>
</message>""".encode()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async for started in running(World()):
        yield started


async def send(
    world: World, path: str, body: bytes, *, kind: str = "application/json", **headers: str
) -> Reply:
    given = {"Authorization": AUTHORIZATION, "Content-Type": kind} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return await call(world.app, "POST", path, headers=given, body=body)


async def send_many(world: World, body: Any = MANY, **headers: str) -> Reply:
    return await send(world, "/v1/messages/many", json.dumps(body).encode(), **headers)


def text_of(element: Element, name: str) -> str:
    found = element.find(name)
    assert found is not None, name
    return found.text or ""


# ---- many ---------------------------------------------------------------------------------------


async def test_each_row_is_answered_by_itself(world: World) -> None:
    reply = await send_many(world)
    assert reply.status == 202, reply.body
    answer = reply.json()
    assert (answer["accepted"], answer["refused"]) == (2, 1)
    first, second, third = answer["messages"]
    published = {message.message_id: message for message in world.publisher.messages()}
    assert published.keys() == {first["message_id"], third["message_id"]}
    assert published[first["message_id"]].reference == "row-1"
    assert "3的数学成绩为97分" in published[third["message_id"]].text
    assert (second["status"], second["code"], second["field"], second["reference"]) == (
        "refused",
        Code.NUMBER_COUNTRY_CODE_MISSING,
        "to",
        "row-2",
    )
    assert [row["index"] for row in answer["messages"]] == [0, 1, 2]
    schema_of(world.app.openapi(), "Answered").validate(answer)


@pytest.mark.parametrize(
    "row", [None, 7, "x", [], {}, {"to": 5}, {"to": US, "x": 1}, {"to": US, "variables": []}]
)
async def test_a_row_that_is_none_leaves_the_others_alone(world: World, row: Any) -> None:
    rows = [*MANY["recipients"][:1], row]
    answer = (await send_many(world, {**MANY, "recipients": rows})).json()
    assert [one["status"] for one in answer["messages"]] == ["accepted", "refused"]
    assert answer["messages"][1]["code"] == Code.FIELD_INVALID


async def test_many_are_one_insert_and_one_publish(world: World) -> None:
    rows = [{"to": US, "variables": {"name": "a", "score": str(n)}} for n in range(MAX_RECIPIENTS)]
    reply = await send_many(world, {**MANY, "recipients": rows})
    assert reply.json()["accepted"] == MAX_RECIPIENTS
    assert (world.inputs.adds, world.publisher.publishes) == ([MAX_RECIPIENTS], 1)


async def test_the_rows_of_a_request_are_a_batch_that_is_closed_with_them(world: World) -> None:
    rows = [*MANY["recipients"], {"to": "no number"}]
    answer = (await send_many(world, {**MANY, "recipients": rows})).json()
    messages = world.publisher.messages()
    assert {one.origin.batch_id for one in messages} == {answer["batch_id"]}
    (closed,) = [one for one in world.publisher.published if isinstance(one, BatchClosed)]
    assert (closed.batch_id, closed.total) == (answer["batch_id"], answer["accepted"])
    assert sorted(closed.message_ids) == sorted(one.message_id for one in messages)
    assert closed.account_id == messages[0].account_id


async def test_a_repeat_that_takes_over_has_and_closes_the_same_batch(world: World) -> None:
    world.publisher.failures = 1
    assert (await send_many(world, Idempotency_Key="k")).status == 503
    world.clock.turn(60)
    answer = (await send_many(world, Idempotency_Key="k")).json()
    (closed,) = [one for one in world.publisher.published if isinstance(one, BatchClosed)]
    assert {one.origin.batch_id for one in world.publisher.messages()} == {closed.batch_id}
    assert answer["batch_id"] == closed.batch_id


async def test_a_batch_without_a_message_is_not_closed(world: World) -> None:
    answer = (await send_many(world, {**MANY, "recipients": [{"to": "x"}]})).json()
    assert answer["accepted"] == 0
    assert not world.publisher.published


async def test_the_same_key_and_body_is_the_same_answer(world: World) -> None:
    first = await send_many(world, Idempotency_Key="k")
    world.clock.turn(3600)
    again = await send_many(world, Idempotency_Key="k")
    assert (again.status, again.body) == (202, first.body)
    assert len(world.publisher.messages()) == 2
    other = await send_many(world, {**MANY, "lane": "bulk"}, Idempotency_Key="k")
    check_problem(other, 422, Code.IDEMPOTENCY_KEY_REUSED, "Idempotency-Key")


async def test_many_that_failed_are_in_flight_and_then_taken_over_with_their_ids(
    world: World,
) -> None:
    world.publisher.failures = 1
    check_problem(await send_many(world, Idempotency_Key="k"), 503, Code.UNAVAILABLE)
    again = await send_many(world, Idempotency_Key="k")
    check_problem(again, 409, Code.REQUEST_IN_FLIGHT, "Idempotency-Key")
    stored = {one.message.message_id for one in world.inputs.stored.values()}
    world.clock.turn(5)
    taken = (await send_many(world, Idempotency_Key="k")).json()
    ids = [row["message_id"] for row in taken["messages"] if row["status"] == "accepted"]
    assert set(ids) == stored == {one.message_id for one in world.publisher.messages()}


async def test_an_answer_that_cannot_be_stored_is_a_503_and_nobody_hears_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_answer: object) -> bool:
        raise Retryable("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(world.answers, "add", away)
        check_problem(await send_many(world, Idempotency_Key="k"), 503, Code.UNAVAILABLE)
    world.clock.turn(5)
    assert (await send_many(world, Idempotency_Key="k")).status == 202
    assert len({message.message_id for message in world.publisher.messages()}) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": [{}] * (MAX_RECIPIENTS + 1)}, "recipients"),
        ({"recipients": "x"}, "recipients"),
        ({"lane": "fast"}, "lane"),
        ({"to": US}, "to"),
    ],
)
async def test_what_is_wrong_with_all_refuses_all(
    world: World, changes: dict[str, Any], field: str
) -> None:
    check_problem(await send_many(world, {**MANY, **changes}), 422, Code.FIELD_INVALID, field)
    assert world.inputs.stored == {}


async def test_many_of_an_account_that_is_not_verified_are_refused_at_once(world: World) -> None:
    reply = await send_many(world, Authorization=f"Bearer waiting-key.{SECRET}")
    check_problem(reply, 403, Code.ACCOUNT_NOT_VERIFIED)


# ---- XML ----------------------------------------------------------------------------------------


async def test_a_message_in_xml_is_answered_in_xml(world: World) -> None:
    reply = await send(world, "/v1/messages", XML, kind="text/xml; charset=utf-8")
    assert (reply.status, reply.headers["content-type"]) == (202, "application/xml")
    accepted = fromstring(reply.body)
    (message,) = world.publisher.messages()
    assert (accepted.tag, text_of(accepted, "message_id")) == ("accepted", message.message_id)
    assert message.text == "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"
    headers = {"Authorization": AUTHORIZATION, "Accept": "application/xml"}
    path = f"/v1/messages/{message.message_id}"
    shown = await call(world.app, "GET", path, headers=headers)
    assert (shown.status, shown.body) == (200, reply.body)


async def test_many_in_xml(world: World) -> None:
    body = f"""<messages><template>score</template><variables><subject>x</subject></variables>
    <recipients>
      <recipient><to>{US}</to><variables><name>a</name><code>1</code><score>1</score></variables></recipient>
      <recipient><to>{US_OTHER}</to></recipient><rubbish/>
    </recipients></messages>""".encode()
    reply = await send(world, "/v1/messages/many", body, kind="application/xml")
    answered = fromstring(reply.body)
    assert [text_of(answered, name) for name in ("accepted", "refused")] == ["1", "2"]
    rows = answered.findall("messages/message")
    assert [text_of(row, "status") for row in rows] == ["accepted", "refused", "refused"]
    codes = {text_of(error, "code") for error in rows[1].findall("errors/error")}
    assert codes == {Code.VARIABLE_MISSING}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/xml;q=0.5, application/json;q=0.4", "application/xml"),
        ("application/json;q=0.5, text/xml", "application/xml"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("", "application/json"),
        ("application/xml;q=nonsense", "application/xml"),
    ],
)
async def test_the_answer_is_as_accept_asks(world: World, accept: str, kind: str) -> None:
    reply = await send(world, "/v1/messages", json.dumps(BODY).encode(), Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (202, kind)


async def test_a_problem_in_xml_says_the_same(world: World) -> None:
    reply = await send(world, "/v1/messages", XML, kind="application/xml", Authorization="")
    assert (reply.status, reply.headers["content-type"]) == (401, "application/problem+xml")
    problem = fromstring(reply.body)
    assert problem.tag == "{urn:ietf:rfc:7807}problem"
    assert text_of(problem, "{urn:ietf:rfc:7807}code") == Code.UNAUTHENTICATED


LAUGHS = [f'<!ENTITY {c} "{f"&{b};" * 10}">' for b, c in pairwise("abcdefghi")]
BOMB = (
    '<!DOCTYPE message [<!ENTITY a "aaaaaaaaaa">'
    + "".join(LAUGHS)
    + "]><message><to>&i;</to></message>"
)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        '<!DOCTYPE m SYSTEM "file:///etc/passwd"><message/>',
        '<!DOCTYPE m [<!ENTITY e SYSTEM "file:///etc/passwd">]><message><to>&e;</to></message>',
        '<!DOCTYPE m [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><message/>',
        "<message><to>&undefined;</to></message>",
        "<message><to>\x00</to></message>",
        "<message><to>&#0;</to></message>",
        "<message><to>&#xD800;</to></message>",
        "<message><to>",
        "",
        "<messages/>",
        "<message/><message/>",
        "<a>" * 4000,
        "<message>" + "<x>" * 300 + "</x>" * 300 + "</message>",
        '<?xml version="1.0" encoding="utf-99"?><message/>',
        '<?xml version="1.0" encoding="utf-32"?><message/>',
    ],
)
async def test_hostile_xml_is_refused(world: World, body: str) -> None:
    reply = await send(world, "/v1/messages", body.encode()[:4000], kind="application/xml")
    assert reply.status == 400, reply.body
    assert fromstring(reply.body).tag == "{urn:ietf:rfc:7807}problem"
    assert world.inputs.stored == {}


@pytest.mark.parametrize(
    ("inner", "field"),
    [
        ("<to>1</to><to>2</to>", "to"),
        ("<to><deep>1</deep></to>", "to"),
        ("<variables>text</variables>", "to"),
        ("<xmlns:to xmlns:xmlns='x'>1</xmlns:to>", ""),
    ],
)
async def test_xml_of_another_shape_is_refused(world: World, inner: str, field: str) -> None:
    body = f"<message><template>score</template>{inner}</message>".encode()
    reply = await send(
        world, "/v1/messages", body, kind="application/xml", Accept="application/json"
    )
    assert reply.status in {400, 422}
    assert reply.json()["field"] == field


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["to", "template", "reference"]), st.text(max_size=50)))
def test_what_xml_can_hold_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    read = read_xml(write_xml("message", fields), "message")
    assert read.keys() == fields.keys()
    for name, value in fields.items():
        if value.isprintable():
            assert read[name] == value


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.text(alphabet="<>/&;!x message'\"[]", max_size=80).map(str.encode)
)
async def test_no_bytes_are_a_mistake_of_ours(world: World, body: bytes) -> None:
    for kind in ("application/xml", "application/json"):
        assert (await send(world, "/v1/messages", body, kind=kind)).status in {400, 422}
        assert (await send(world, "/v1/messages/many", body, kind=kind)).status in {400, 422}


# ---- a query ------------------------------------------------------------------------------------

QUERY = {"to": US, "template": "score"} | {f"variables[{k}]": v for k, v in VALUES.items()}


async def get(world: World, query: str, **headers: str) -> Reply:
    return await call(world.app, "GET", "/v1/send", headers=headers, query=query)


async def test_a_query_sends_with_key_and_secret_or_a_header(world: World) -> None:
    own = {"key": "send-and-read", "secret": SECRET, "idempotency_key": "k"}
    reply = await get(world, urlencode(QUERY | own))
    assert (reply.status, reply.headers["cache-control"]) == (202, "no-store")
    again = await get(
        world, urlencode(QUERY | {"idempotency_key": "k"}), Authorization=AUTHORIZATION
    )
    assert again.json() == reply.json()
    (message,) = world.publisher.messages()
    assert message.text == "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"
    asked = {"accept": "text/xml", "Authorization": AUTHORIZATION}
    assert (await get(world, urlencode(QUERY), **asked)).headers[
        "content-type"
    ] == "application/xml"


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("to=%FF", 400, ""),
        ("&".join(f"a{n}=1" for n in range(101)), 400, ""),
        ("to=1&to=2", 422, "to"),
        ("variables[a]=1&variables[a]=2", 422, "a"),
        ("variables=1", 422, "variables"),
        ("to=%2B12015550123&template=score&lane=fast", 422, "lane"),
        ("to=%2B12015550123&template=score&zzz=1", 422, "zzz"),
        ("to=%2B12015550123&template=sc%00re", 422, "template"),
        ("", 422, "to"),
    ],
)
async def test_a_query_that_is_wrong_is_refused(
    world: World, query: str, status: int, field: str
) -> None:
    reply = await get(world, query, Authorization=AUTHORIZATION)
    assert (reply.status, reply.json()["field"]) == (status, field), reply.body


async def test_a_query_with_a_wrong_secret_is_not_let_in(world: World) -> None:
    query = urlencode(QUERY | {"key": "send-and-read", "secret": "wrong"})
    check_problem(await get(world, query), 401, Code.UNAUTHENTICATED, "key")
    check_problem(await get(world, urlencode(QUERY)), 401, Code.UNAUTHENTICATED, "Authorization")
    operators = urlencode(QUERY | {"key": "the-operators-token", "secret": ""})
    check_problem(await get(world, operators), 401, Code.UNAUTHENTICATED, "key")


# ---- hostile JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"to": 1e999}',
        b'{"version": ' + b"9" * 3000 + b"}",
        b'{"validity_s": -1e400}',
        b'{"to": "\\u0000"}',
        b'{"reference": "a\\u0000b"}',
        b'{"\\ud800": 1}',
        b'{"reference": "\\udfff"}',
        b'{"a":' * 800,
        b'{"variables": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
        b'{"reference": "' + b"x" * 3500 + b'"}',
        b'{"to": "' + b"\xf0\x9f" + b'"}',
        b'\xef\xbb\xbf{"to": 1}',
        "{}".encode("utf-16"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/many"])
async def test_hostile_json_is_refused(world: World, path: str, body: bytes) -> None:
    reply = await send(world, path, body)
    assert reply.status in {400, 422}
    assert reply.json()["status"] == reply.status
    assert world.inputs.stored == {}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/many", "/v1/nowhere"])
async def test_ten_megabytes_are_refused_as_they_come(world: World, path: str) -> None:
    reply = await send(world, path, b'{"to": "' + b"x" * 10_000_000 + b'"}')
    assert reply.status in {404, 413}
