"""Accounts on a real MongoDB: seeded, changed, seen by every process."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.fakes import FakeClock
from services.ingest.tests.unit.making import catalogue

from ingest.accounts.snapshot import Snapshot
from ingest.accounts.store import ACCOUNTS, AccountStore
from ingest.catalogue import AccountFacts, AccountState
from yizhan_runtime.feed import OVERLAP
from yizhan_runtime.mongo import Mongo

pytestmark = pytest.mark.integration

SHOP = catalogue().account("shop")


class Process:
    """One process's view of the accounts; its feed looks when it is told to."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo, self.clock = mongo, FakeClock()
        self.snapshot = Snapshot()
        self.store = AccountStore(mongo, self.snapshot.put_facts, self.clock)

    @property
    def name(self) -> str:
        shop = self.snapshot.account("shop")
        assert shop is not None
        return shop.name


def named(name: str) -> AccountFacts:
    assert SHOP is not None
    return SHOP.model_copy(update={"name": name})


@pytest.fixture
async def process(corner: Corner) -> Process:
    mongo = (await corner.start(())).mongo()
    process = Process(mongo)
    await mongo.delete_by_ids(ACCOUNTS, ["shop", "other", "waiting"])
    await process.store.seed([named("First")])
    await process.store.feed.load()
    return process


async def test_the_file_is_applied_again_and_again(process: Process) -> None:
    assert process.name == "First"
    await process.store.seed([named("Second")])
    await process.store.seed([named("Second")])
    await process.store.feed.refresh()
    assert process.name == "Second"


async def test_the_file_never_undoes_what_the_api_changed(process: Process) -> None:
    changed = await process.store.change("shop", {"state": "suspended"}, "operator")
    assert changed is not None
    assert changed.state is AccountState.SUSPENDED
    await process.store.seed([named("From the file")])
    await process.store.feed.refresh()
    assert process.name == "First"


async def test_a_change_is_seen_by_other_processes(process: Process) -> None:
    other = Process(process.mongo)
    await other.store.feed.load()
    await process.store.change("shop", {"name": "New"}, "operator")
    await other.store.feed.refresh()
    assert other.name == "New"
    # A writer whose clock is behind is still seen: the look reaches back.
    other.clock.turn(-OVERLAP.total_seconds() / 2)
    await other.store.change("shop", {"name": "Newer"}, "operator")
    await process.store.feed.refresh()
    assert process.name == "Newer"
    assert await process.store.change("nobody", {"name": "x"}, "operator") is None


async def test_nonsense_is_refused_and_changes_nothing(process: Process) -> None:
    with pytest.raises(ValidationError):
        await process.store.change("shop", {"time_zone": "Nowhere/None"}, "operator")
    await process.store.feed.refresh()
    assert process.name == "First"


async def test_an_account_is_added_once(process: Process) -> None:
    fresh = named("Fresh").model_copy(update={"id": "fresh"})
    assert await process.store.add(fresh, "operator")
    assert not await process.store.add(fresh, "operator")
    account = process.snapshot.account("fresh")
    assert account is not None
    assert account.templates == ()


async def test_a_document_that_cannot_be_read_leaves_the_one_before_it(process: Process) -> None:
    later = process.clock.now() + timedelta(seconds=1)
    update = {"$set": {"facts": {"id": "shop"}, "changed_at": later}, "$inc": {"version": 1}}
    await process.mongo.update_one(ACCOUNTS, {"_id": "shop"}, update)
    await process.store.feed.refresh()
    assert process.name == "First"
