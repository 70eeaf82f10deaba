"""Templates and senders: registered, submitted, decided; each step kept with who took it."""

import itertools
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from services.ingest.tests.unit.asgi import Reply, call
from services.ingest.tests.unit.fakes import NOON, FakeClock, FakeContent
from services.ingest.tests.unit.making import SECRET, catalogue

from ingest.accounts.snapshot import Snapshot
from ingest.codes import Code
from ingest.content.checking import ContentRules
from ingest.content.words import WordList
from ingest.keys.callers import Authenticator
from ingest.keys.domain import KeyTable
from ingest.keys.seeds import seeded
from ingest.metrics import IngestMetrics
from ingest.requests.edge import Edge
from ingest.requests.problems import add_problem_handlers
from ingest.reviews.api import make_routers
from ingest.reviews.book import Book
from ingest.reviews.lifecycle import Kind, Name, NotPossibleError, Step, Taken, after, fold
from ingest.reviews.service import Reviews
from ingest.senders.model import SenderId, Senders, SenderType, type_of
from ingest.templates.model import TemplateState as State

OPERATOR = "the-operators-token"
SHOP = f"Bearer send-and-read.{SECRET}"
OTHER = f"Bearer other-key.{SECRET}"
SEND_ONLY = f"Bearer send-only.{SECRET}"
NEW = {
    "id": "welcome",
    "languages": {"zh": "【驿站】欢迎{name}", "en": "Welcome {name}"},
    "variables": {"name": {"example": "Ann"}},
}
APPROVED = {"reviewer": "j.doe"}


class FakeStore:
    """Steps in memory; a rival may take one between somebody's look and write."""

    def __init__(self) -> None:
        self.stored: dict[str, Taken] = {}
        self.rivals: list[Taken] = []
        self.book: Book | None = None

    async def load(self) -> None:
        assert self.book is not None
        for taken in self.stored.values():
            self.book.take(taken)

    async def add(self, taken: Taken) -> bool:
        for rival in self.rivals:
            self.stored[rival.taken_id] = rival
        self.rivals.clear()
        is_new = self.stored.setdefault(taken.taken_id, taken) is taken
        await self.load()
        return is_new

    async def add_new(self, steps: Sequence[Taken]) -> None:
        for step in steps:
            self.stored.setdefault(step.taken_id, step)


class World:
    """The registry's routes on a store in memory."""

    def __init__(self) -> None:
        self.accounts, self.store, self.content = Snapshot(), FakeStore(), FakeContent()
        for account in catalogue().accounts():
            self.accounts.put_facts(account)
        self.clock = FakeClock()
        book = Book(self.accounts.put_templates, self.accounts.put_senders)
        self.store.book = book
        self.reviews = Reviews(book, self.store, self.content, self.clock)
        self.app = FastAPI()
        keys = KeyTable(seeded(catalogue().accounts(), NOON))
        self.app.state.authenticator = Authenticator(keys, self.accounts, self.clock, OPERATOR)
        add_problem_handlers(self.app)
        metrics = IngestMetrics(CollectorRegistry())
        self.app.add_middleware(Edge, metrics=metrics, clock=self.clock, max_body_bytes=65_536)
        for router in make_routers(self.reviews):
            self.app.include_router(router)

    async def ask(
        self, method: str, path: str, body: object = None, auth: str = SHOP, account: str = ""
    ) -> Reply:
        headers = {"Authorization": auth, "Content-Type": "application/json"}
        headers |= {"Yizhan-Account": account} if account else {}
        sent = b"" if body is None else json.dumps(body).encode()
        return await call(self.app, method, path, headers=headers, body=sent)

    async def decide(self, path: str, body: object, account: str = "shop") -> Reply:
        return await self.ask("POST", path, body, f"Bearer {OPERATOR}", account)


@pytest.fixture
def world() -> World:
    return World()


def codes(reply: Reply) -> list[str]:
    return [error["code"] for error in reply.json()["errors"]]


async def test_a_template_goes_its_way_and_every_step_is_kept(world: World) -> None:
    made = await world.ask("POST", "/v1/templates", NEW)
    assert (made.status, made.json()["state"], made.json()["version"]) == (201, "draft", 1)
    one = "/v1/templates/welcome/versions/1"
    assert (await world.ask("POST", f"{one}/submit")).json()["state"] == "pending"
    world.clock.turn(60)
    done = await world.decide(f"{one}/approve", {"reviewer": "j.doe", "reason": "fine"})
    assert done.json()["state"] == "approved"
    history = [(s["step"], s["by"], s["reason"]) for s in done.json()["history"]]
    assert history == [
        ("create", "key send-and-read", ""),
        ("submit", "key send-and-read", ""),
        ("approve", "j.doe", "fine"),
    ]
    account = world.accounts.account("shop")
    assert account is not None
    assert account.newest["welcome"].is_approved
    assert account.matcher.match("Welcome Bob") is not None
    assert (await world.ask("POST", f"{one}/retire")).json()["state"] == "retired"
    account = world.accounts.account("shop")
    assert account is not None
    assert not account.newest["welcome"].is_approved
    assert account.matcher.match("Welcome Bob") is None


async def test_a_rejection_says_why_and_a_new_version_may_follow(world: World) -> None:
    await world.ask("POST", "/v1/templates", NEW)
    one = "/v1/templates/welcome/versions/1"
    await world.ask("POST", f"{one}/submit")
    assert (await world.decide(f"{one}/reject", {"reviewer": "j"})).status == 422
    told = await world.decide(f"{one}/reject", {"reviewer": "j", "reason": "too short"})
    assert told.json()["history"][-1]["reason"] == "too short"
    made = await world.ask("POST", "/v1/templates", NEW)
    assert (made.json()["version"], made.json()["state"]) == (2, "draft")
    shown = (await world.ask("GET", "/v1/templates/welcome")).json()["templates"]
    assert [(one["version"], one["state"]) for one in shown] == [(1, "rejected"), (2, "draft")]


async def test_repeats_of_a_step_and_of_a_wording_change_nothing(world: World) -> None:
    for _ in range(2):
        assert (await world.ask("POST", "/v1/templates", NEW)).json()["version"] == 1
    one = "/v1/templates/welcome/versions/1"
    for _ in range(2):
        assert (await world.ask("POST", f"{one}/submit")).status == 200
    for _ in range(2):
        assert (await world.decide(f"{one}/approve", APPROVED)).status == 200
    assert len(world.store.stored) == 3


@pytest.mark.parametrize(
    ("steps", "step"),
    [(0, "approve"), (0, "reject"), (2, "submit"), (2, "reject"), (3, "approve"), (3, "submit")],
)
async def test_a_step_that_does_not_follow_is_refused(world: World, steps: int, step: str) -> None:
    await world.ask("POST", "/v1/templates", NEW)
    one = "/v1/templates/welcome/versions/1"
    said = {"reviewer": "j", "reason": "r"}
    for way in ("submit", "approve", "retire")[:steps]:
        body = said if way == "approve" else None
        assert (await world.decide(f"{one}/{way}", body)).status == 200
    told = await world.decide(f"{one}/{step}", said)
    assert (told.status, codes(told)) == (409, [Code.STEP_NOT_POSSIBLE])


async def test_of_two_who_decide_at_once_one_does(world: World) -> None:
    await world.ask("POST", "/v1/templates", NEW)
    one = "/v1/templates/welcome/versions/1"
    await world.ask("POST", f"{one}/submit")
    name = Name(Kind.TEMPLATE, "shop", "welcome", 1)
    world.store.rivals.append(Taken(name, 2, Step.REJECT, "rival", NOON, "no"))
    told = await world.decide(f"{one}/approve", APPROVED)
    assert codes(told) == [Code.STEP_NOT_POSSIBLE]
    assert world.accounts.account("shop") is not None
    shown = (await world.ask("GET", "/v1/templates/welcome")).json()["templates"]
    assert shown[0]["state"] == "rejected"


async def test_what_would_be_refused_in_every_message_is_not_registered(world: World) -> None:
    world.content.current = ContentRules(marketing=WordList(["限时抢购"]))
    told = await world.ask("POST", "/v1/templates", NEW | {"languages": {"zh": "限时抢购{name}"}})
    assert (told.status, codes(told)) == (422, [Code.CONTENT_MARKETING])
    assert told.json()["field"] == "languages.zh"
    given = NEW | {"languages": {"zh": "限时抢购{name}"}, "category": "marketing"}
    assert (await world.ask("POST", "/v1/templates", given)).status == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"languages": {"en": "Welcome {name}"}},  # none in the account's locale
        {"languages": {"zh": "{nobody}"}},
        {"languages": {"zh": "{"}},
        {"languages": {"zh": "【{name}】你好"}},
        {"languages": {}},
        {"languages": {"zh": "x" * 2001}},
        {"languages": {"not a tag": "x"}},
        {"variables": {"name": {}}},  # no example
        {"variables": {"name": {"type": "digits", "example": "x"}}},
        {"variables": {"name": {"pattern": "(?=a)", "example": "a"}}},
        {"id": "Has Capitals"},
        {"state": "approved"},
    ],
)
async def test_a_template_that_makes_no_sense_is_refused(
    world: World, changes: dict[str, object]
) -> None:
    told = await world.ask("POST", "/v1/templates", NEW | changes)
    assert (told.status, told.json()["code"]) == (422, Code.FIELD_INVALID)
    assert world.store.stored == {}


async def test_only_operators_decide_and_nobody_sees_anothers(world: World) -> None:
    await world.ask("POST", "/v1/templates", NEW)
    one = "/v1/templates/welcome/versions/1"
    for path, body in ((f"{one}/approve", APPROVED), (f"{one}/reject", APPROVED | {"reason": "x"})):
        assert codes(await world.ask("POST", path, body)) == [Code.OPERATOR_ONLY]
    assert codes(await world.ask("GET", "/v1/reviews")) == [Code.OPERATOR_ONLY]
    for path in ("/v1/templates/welcome", "/v1/senders"):
        assert (await world.ask("GET", path, auth="Bearer nobody.nothing")).status == 401
    assert (await world.ask("POST", "/v1/templates", NEW, SEND_ONLY)).status == 403
    assert (await world.ask("GET", "/v1/templates/welcome", auth=OTHER)).status == 404
    assert (await world.ask("GET", "/v1/templates", auth=OTHER)).json() == {"templates": []}
    assert codes(await world.ask("POST", f"{one}/submit", auth=OTHER)) == [Code.NOT_REGISTERED]
    assert codes(await world.ask("POST", f"{one}/retire", auth=OTHER)) == [Code.NOT_REGISTERED]


async def test_reviewers_see_what_waits_of_all_accounts(world: World) -> None:
    for auth in (SHOP, OTHER):
        await world.ask("POST", "/v1/templates", NEW, auth)
        await world.ask("POST", "/v1/templates/welcome/versions/1/submit", auth=auth)
        world.clock.turn(1)
    await world.ask("POST", "/v1/senders", {"value": "Cafe"})
    await world.ask("POST", "/v1/senders/*/Cafe/submit")
    told = (await world.ask("GET", "/v1/reviews", auth=f"Bearer {OPERATOR}")).json()
    assert [one["account_id"] for one in told["templates"]] == ["shop", "other"]
    assert [one["value"] for one in told["senders"]] == ["Cafe"]


async def test_a_sender_is_registered_for_a_country_and_decided(world: World) -> None:
    made = await world.ask("POST", "/v1/senders", {"value": "驿站", "country": "CN"})
    assert (made.status, made.json()["type"], made.json()["state"]) == (201, "signature", "draft")
    one = "/v1/senders/CN/驿站"
    await world.ask("POST", f"{one}/submit")
    account = world.accounts.account("shop")
    assert account is not None
    refusal = account.registered.refusal("驿站", "CN", "sender")
    assert refusal is not None
    assert refusal.code is Code.SENDER_NOT_APPROVED
    await world.decide(f"{one}/approve", APPROVED)
    account = world.accounts.account("shop")
    assert account is not None
    assert account.registered.refusal("驿站", "CN", "sender") is None
    refusal = account.registered.refusal("驿站", "TW", "sender")
    assert refusal is not None
    assert refusal.code is Code.SENDER_UNKNOWN


async def test_a_sender_that_was_rejected_may_be_registered_again(world: World) -> None:
    for version in (1, 2):
        made = await world.ask("POST", "/v1/senders", {"value": "Cafe"})
        assert made.json()["version"] == version
        await world.ask("POST", "/v1/senders/*/Cafe/submit")
        await world.decide("/v1/senders/*/Cafe/reject", {"reviewer": "j", "reason": "r"})


async def test_a_file_is_brought_in_once_and_changes_nothing_after(world: World) -> None:
    accounts = catalogue().accounts()
    await world.reviews.seed(accounts)
    stored = dict(world.store.stored)
    account = world.accounts.account("shop")
    assert account is not None
    assert [(t.id, t.version, t.state) for t in account.templates if t.id == "score"] == [
        ("score", 1, State.RETIRED),
        ("score", 2, State.APPROVED),
        ("score", 3, State.PENDING),
    ]
    assert account.registered.refusal("Yizhan", "DE", "sender") is None
    assert account.registered.refusal("驿站", "DE", "sender") is None
    await world.ask("POST", "/v1/templates/score/versions/2/retire")
    world.clock.turn(3600)
    await world.reviews.seed(accounts)
    retired = next(taken for key, taken in world.store.stored.items() if key not in stored)
    assert (retired.step, len(world.store.stored)) == (Step.RETIRE, len(stored) + 1)
    account = world.accounts.account("shop")
    assert account is not None
    assert not account.newest["score"].is_approved


_steps = st.lists(st.sampled_from(list(Step)), max_size=6)


@given(_steps, st.randoms(use_true_random=False))
def test_steps_fold_to_one_state_in_any_order(steps: list[Step], draw: object) -> None:
    name = Name(Kind.TEMPLATE, "a", "t", 1)
    taken = [
        Taken(name, n, step, "x", NOON + timedelta(seconds=n), content={} if n == 0 else None)
        for n, step in enumerate(steps)
    ]
    state: State | None = None
    for step in steps:
        try:
            state = after(state, step)
        except NotPossibleError:
            break
    shuffled = taken + taken
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    folded = fold(shuffled)
    assert (folded.state if folded else None) == state


def test_what_is_decided_stays_decided() -> None:
    for state, step in itertools.product((State.REJECTED, State.RETIRED), Step):
        with pytest.raises(NotPossibleError):
            after(state, step)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("驿站速递", SenderType.SIGNATURE),
        ("Yizhan", SenderType.ALPHANUMERIC),
        ("72345", SenderType.SHORT_CODE),
        ("+447700900123", SenderType.NUMERIC),
        ("1069012345678", SenderType.NUMERIC),
        ("A name too long for it", SenderType.SIGNATURE),
    ],
)
def test_a_sender_is_known_by_its_looks(value: str, kind: SenderType) -> None:
    assert type_of(value) is kind
    assert SenderId(value=value).type is kind


@pytest.mark.parametrize(
    "fields",
    [
        {"value": "Yizhan Parcel Service", "type": "alphanumeric"},
        {"value": "12", "type": "short-code"},
        {"value": "Yizhan", "type": "numeric"},
        {"value": "【x】"},
        {"value": "a/b"},
        {"value": " "},
        {"value": "x", "country": "cn"},
    ],
)
def test_a_sender_that_no_carrier_takes_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SenderId.model_validate(fields)


def test_a_countrys_own_entry_counts_before_everywheres() -> None:
    senders = Senders(
        [SenderId(value="Shop"), SenderId(value="Shop", country="CN", state=State.REJECTED)]
    )
    assert senders.refusal("Shop", "DE", "sender") is None
    refusal = senders.refusal("Shop", "CN", "sender")
    assert refusal is not None
    assert (refusal.code, refusal.field) == (Code.SENDER_NOT_APPROVED, "sender")
