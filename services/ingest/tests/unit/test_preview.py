"""The dry run: what a message would say, take and cost, and why it would be refused."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.fakes import NOON, FakeClock, FakeContent, FakeStops
from services.ingest.tests.unit.making import AUTHORIZATION, SECRET, US, catalogue

from ingest.codes import Code
from ingest.content.checking import ContentRules
from ingest.content.words import WordList
from ingest.keys.callers import Authenticator
from ingest.keys.domain import KeyTable
from ingest.keys.seeds import seeded
from ingest.optouts.domain import Action, Stop
from ingest.previewing.api import make_router
from ingest.previewing.service import Previews
from ingest.requests.problems import add_problem_handlers

VALUES = {"name": "张三", "code": "2026001", "subject": "数学", "score": "99"}


class World:
    def __init__(self) -> None:
        self.content, self.stops = FakeContent(), FakeStops()
        accounts = catalogue()
        self.app = FastAPI()
        keys = KeyTable(seeded(accounts.accounts(), NOON))
        self.app.state.authenticator = Authenticator(keys, accounts, FakeClock(), "")
        add_problem_handlers(self.app)
        self.app.include_router(make_router(Previews(self.content, self.stops)))

    async def ask(self, body: dict[str, Any], auth: str = AUTHORIZATION) -> Reply:
        headers = {"Authorization": auth, "Content-Type": "application/json"}
        sent = json.dumps(body).encode()
        return await call(self.app, "POST", "/v1/preview", headers=headers, body=sent)

    async def preview(self, **body: Any) -> dict[str, Any]:
        reply = await self.ask(body)
        assert reply.status == 200, reply.body
        shown: dict[str, Any] = reply.json()
        return shown


@pytest.fixture
def world() -> World:
    return World()


def codes(shown: dict[str, Any]) -> list[str]:
    return [one["code"] for one in shown["refusals"]]


async def test_a_message_is_shown_with_what_it_takes(world: World) -> None:
    shown = await world.preview(template="score", variables=VALUES, countries=["CN", "HK", "US"])
    assert shown["text"] == "【XX考试中心】考生张三,您的准考证号2026001的数学成绩为99分。"
    assert (shown["encoding"], shown["segments"], shown["charging_num"]) == ("ucs-2", 1, 1)
    assert [(cost["country"], cost["package"], cost["quantity"]) for cost in shown["costs"]] == [
        ("CN", "domestic", 1),
        ("HK", "international", 1),
        ("US", "international", 1),
    ]
    assert (shown["refused"], shown["refusals"]) == (False, [])


async def test_segments_and_what_is_billed_are_counted_apart(world: World) -> None:
    name = "x" * 40
    shown = await world.preview(
        template="delivered", language="en", variables={"tracking_number": name}
    )
    assert shown["text"] == f"[Yizhan] {name} was delivered."
    assert (shown["encoding"], shown["segments"], shown["charging_num"]) == ("gsm-7", 1, 1)
    long = {"name": "n" * 80, "code": "1", "subject": "s" * 80, "score": "9"}
    shown = await world.preview(template="score", variables=long)
    assert (shown["segments"], shown["charging_num"]) == (3, 3)


async def test_what_is_not_approved_yet_is_shown_and_says_so(world: World) -> None:
    shown = await world.preview(template="unapproved")
    assert (shown["text"], shown["state"]) == ("你好", "pending")
    assert codes(shown) == [Code.TEMPLATE_NOT_APPROVED]


async def test_everything_that_would_be_refused_is_said(world: World) -> None:
    world.content.current = ContentRules(marketing=WordList(["抢购"]))
    world.stops.stopped[("shop", US)] = (Stop("shop", US, {Action.OPT_OUT: NOON}),)
    values = VALUES | {"name": "抢购", "score": "toolong"}
    shown = await world.preview(template="score", variables=values, sender="Nobody", to=US)
    assert codes(shown) == [
        Code.VARIABLE_TOO_LONG,
        Code.CONTENT_MARKETING,
        Code.RECIPIENT_OPTED_OUT,
        Code.SENDER_UNKNOWN,
    ]
    assert shown["costs"] == [{"country": "US", "package": "international", "quantity": 1}]


async def test_a_raw_text_is_shown_as_the_template_that_it_is(world: World) -> None:
    shown = await world.preview(text="[Yizhan] T1 was delivered.")
    assert (shown["template"], shown["language"], shown["refused"]) == ("delivered", "en", False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": "nothing of ours"}, Code.TEXT_MATCHES_NONE),
        ({"template": "nowhere"}, Code.TEMPLATE_UNKNOWN),
        ({"template": "score"}, Code.VARIABLE_MISSING),
        ({"template": "score", "text": "x"}, Code.FIELD_INVALID),
        ({"template": "score", "countries": ["china"]}, Code.FIELD_INVALID),
    ],
)
async def test_where_there_is_nothing_to_show_it_is_refused(
    world: World, body: dict[str, Any], code: Code
) -> None:
    reply = await world.ask(body)
    assert (reply.status, reply.json()["code"]) == (422, code)


async def test_only_who_may_read_sees_a_preview(world: World) -> None:
    assert (await world.ask({"template": "score"}, f"Bearer send-only.{SECRET}")).status == 403
    assert (await world.ask({"template": "score"}, "Bearer x.y")).status == 401
