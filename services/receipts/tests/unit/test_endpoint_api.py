"""The routes of endpoints: who may do what, and that refusals say what to do."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from services.receipts.tests.unit.asking import ask_app
from services.receipts.tests.unit.edge import TOKEN, FakeTokens
from services.receipts.tests.unit.memory_push import MemoryPush
from services.receipts.tests.unit.test_endpoints import Managing
from services.receipts.tests.unit.world import TurnedClock

from receipts.access import Access
from receipts.push.api import EndpointApi
from receipts.push.lanes import Lanes
from receipts.push.sampling import Sampling

WISHES = {"url": "https://example.com/x", "concurrency": 2}
CHANGES = [
    ("PUT", "", WISHES),
    ("POST", "/pause", None),
    ("POST", "/resume", None),
    ("POST", "/secret", None),
    ("DELETE", "/secret", None),
    ("POST", "/replay", {"since": "2026-11-23T00:00:00Z"}),
    ("DELETE", "", None),
]


class Edge:
    """The routes over memory."""

    def __init__(self) -> None:
        self.of, clock = Managing(), TurnedClock()
        self.replays = MemoryPush()
        access = Access(SecretStr(TOKEN), FakeTokens("", clock))
        sampling = Sampling(Lanes({}), clock)
        self.app = FastAPI()
        api = EndpointApi(self.of.manage, self.replays, sampling, access, clock)
        self.app.include_router(api.router())

    async def ask(
        self, method: str, path: str, body: object = None, token: str = TOKEN
    ) -> tuple[int, Any]:
        return await ask_app(self.app, method, f"/v1/endpoints/{path}", body, token)


async def test_an_account_changes_its_own_with_admin_and_looks_with_read() -> None:
    edge = Edge()
    for method, path, body in CHANGES:
        for token, status in (("", 401), ("acme:read", 403), ("other:admin", 403)):
            assert (await edge.ask(method, f"acme{path}", body, token))[0] == status
        assert (await edge.ask(method, f"acme{path}", body, "acme:admin"))[0] in (200, 202, 204)
    await edge.ask("PUT", "acme", WISHES)
    assert (await edge.ask("GET", "acme", token="acme:read"))[0] == 200
    assert (await edge.ask("GET", "acme", token="other:read"))[0] == 403
    assert (await ask_app(edge.app, "GET", "/v1/endpoints", token="acme:admin"))[0] == 403
    status, listed = await ask_app(edge.app, "GET", "/v1/endpoints", token=TOKEN)
    assert (status, len(listed["endpoints"])) == (200, 1)


async def test_the_token_of_a_test_key_changes_nothing() -> None:
    status, refused = await Edge().ask("PUT", "acme", WISHES, "acme:admin:test")
    assert status == 403
    assert "live key" in refused["detail"]


async def test_a_secret_is_shown_when_it_is_made_and_never_again() -> None:
    edge = Edge()
    await edge.ask("PUT", "acme", WISHES)
    _, made = await edge.ask("POST", "acme/secret")
    assert made["secret"].startswith("whsec_")
    _, shown = await edge.ask("GET", "acme")
    assert made["secret"] not in str(shown)
    assert len(shown["secrets"]) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"url": "ftp://example.com"}, "http"),
        ({"url": "https://example.com", "concurrency": 65}, "64"),
        ({"url": "https://example.com", "concurency": 4}, "concurency"),
        ({"concurrency": 4}, "name url, events_url or both"),
    ],
)
async def test_nonsense_is_refused_with_its_place(body: object, said: str) -> None:
    status, refused = await Edge().ask("PUT", "acme", body)
    assert status == 422
    assert said in str(refused)


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"since": "2026-11-23T13:00:00Z"}, 422, "before now"),
        ({"since": "yesterday"}, 422, "since"),
        ({"since": "2026-11-22T00:00:00Z", "about": "events"}, 404, "no address for events"),
        (
            {"since": "2026-11-22T00:00:00Z", "about": "events", "status": "1"},
            422,
            "events have no status",
        ),
    ],
)
async def test_a_replay_that_cannot_be_meant_is_refused_in_words(
    wanted: object, status: int, said: str
) -> None:
    edge = Edge()
    await edge.ask("PUT", "acme", WISHES)
    told = await edge.ask("POST", "acme/replay", wanted)
    assert told[0] == status
    assert said in str(told[1])
    assert not edge.replays.replays


async def test_a_replay_is_listed_and_cancelled_by_its_owner_alone() -> None:
    edge = Edge()
    await edge.ask("PUT", "acme", WISHES)
    _, job = await edge.ask("POST", "acme/replay", {"since": "2026-11-22T00:00:00Z"})
    path = f"replays/{job['replay_id']}"
    assert (await edge.ask("DELETE", f"other/{path}", token="other:admin"))[0] == 404
    assert (await edge.ask("DELETE", f"acme/{path}", token="acme:admin"))[1][
        "progress"
    ] == "cancelled"
    _, listed = await edge.ask("GET", "acme/replays")
    assert [one["progress"] for one in listed["replays"]] == ["cancelled"]


async def test_what_is_not_there_is_said_and_what_to_do() -> None:
    edge = Edge()
    for method, path in (("GET", ""), ("POST", "/pause"), ("POST", "/sample"), ("DELETE", "")):
        status, refused = await edge.ask(method, f"nobody{path}")
        assert status == 404
        assert "PUT one" in refused["detail"]
