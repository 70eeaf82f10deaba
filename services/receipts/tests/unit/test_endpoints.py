"""Endpoints: who may have which, how they change, and what pushing makes of it."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from services.receipts.tests.unit.making import NOON, message_id_of
from services.receipts.tests.unit.pushing import Pushing
from services.receipts.tests.unit.world import TurnedClock
from yarl import URL

from receipts.errors import CannotSeal, ChangedMeanwhile, ForbiddenAddress, NoSuchEndpoint
from receipts.push.endpoints import Endpoint, State, Wishes, paused, resumed
from receipts.push.managing import ManageEndpoints, apply_seeds
from receipts.push.ports import Answer

WISHES = Wishes.model_validate({"url": "https://example.com/x"})
OTHERS = Wishes.model_validate({"url": "https://example.com/y"})


class MemoryEndpoints:
    """EndpointStore over a dict, and Addresses that refuse what they are told to."""

    def __init__(self) -> None:
        self.stored: dict[str, Endpoint] = {}
        self.refused: set[str] = set()
        self.others_are_quicker = 0

    async def check(self, url: URL) -> None:
        if str(url) in self.refused:
            raise ForbiddenAddress("the address is private")

    async def add(self, endpoint: Endpoint) -> bool:
        return self.stored.setdefault(endpoint.account_id, endpoint) is endpoint

    async def replace(self, endpoint: Endpoint, version: int) -> bool:
        if self.others_are_quicker:
            self.others_are_quicker -= 1
            known = self.stored[endpoint.account_id]
            self.stored[endpoint.account_id] = replace(known, version=known.version + 1)
        if self.stored[endpoint.account_id].version != version:
            return False
        self.stored[endpoint.account_id] = endpoint
        return True

    async def find(self, account_ids: Collection[str]) -> dict[str, Endpoint]:
        return {one: self.stored[one] for one in account_ids if one in self.stored}

    async def page(self, after: str, limit: int) -> list[Endpoint]:
        return [self.stored[one] for one in sorted(self.stored) if one > after][:limit]


class Managing:
    def __init__(self, *, can_seal: bool = True) -> None:
        self.store = MemoryEndpoints()
        self.taken: list[Endpoint] = []
        self.manage = ManageEndpoints(
            self.store, self.store, self.taken.append, TurnedClock(), can_seal=can_seal
        )


async def test_an_endpoint_is_made_changed_and_ended_and_each_change_is_heard_of() -> None:
    of = Managing()
    await of.manage.save("acme", WISHES)
    await of.manage.save("acme", OTHERS)
    assert (await of.manage.find("acme")).wishes == OTHERS
    await of.manage.delete("acme")
    assert [one.version for one in of.taken] == [1, 2, 3]
    assert of.taken[-1].wishes == Wishes()
    with pytest.raises(NoSuchEndpoint):
        await of.manage.find("acme")
    with pytest.raises(NoSuchEndpoint):
        await of.manage.pause("acme")
    back = await of.manage.save("acme", WISHES)
    assert (back.state, back.version) == (State.ACTIVE, 4)


async def test_a_forbidden_address_changes_nothing() -> None:
    of = Managing()
    of.store.refused = {"https://example.com/y"}
    await of.manage.save("acme", WISHES)
    with pytest.raises(ForbiddenAddress):
        await of.manage.save("acme", OTHERS)
    assert (await of.manage.find("acme")).wishes == WISHES


async def test_changes_at_the_same_time_both_count_and_a_lost_race_is_said() -> None:
    of = Managing()
    await of.manage.save("acme", WISHES)
    of.store.others_are_quicker = 2
    assert (await of.manage.pause("acme")).state is State.PAUSED
    of.store.others_are_quicker = 100
    with pytest.raises(ChangedMeanwhile, match="try again"):
        await of.manage.resume("acme")


async def test_a_secret_is_told_once_and_two_are_kept() -> None:
    of = Managing()
    await of.manage.save("acme", WISHES)
    told = [(await of.manage.rotate_secret("acme"))[1] for _ in range(3)]
    kept = (await of.manage.find("acme")).secrets
    assert [one.clear for one in kept] == [told[2], told[1]]
    assert (await of.manage.drop_secrets("acme")).secrets == ()


async def test_without_key_material_there_is_no_secret_and_who_must_act_is_said() -> None:
    of = Managing(can_seal=False)
    await of.manage.save("acme", WISHES)
    with pytest.raises(CannotSeal, match="YIZHAN_RECEIPTS_VAULT_KEYS"):
        await of.manage.rotate_secret("acme")


async def test_what_the_file_says_is_applied_once_and_again_when_it_says_something_else() -> None:
    store = MemoryEndpoints()
    await apply_seeds(store, [Endpoint("acme", WISHES, seed="1")])
    mine = replace(store.stored["acme"], wishes=OTHERS, version=2)
    store.stored["acme"] = mine
    await apply_seeds(store, [Endpoint("acme", WISHES, seed="1")])
    assert store.stored["acme"] == mine
    await apply_seeds(store, [Endpoint("acme", WISHES, seed="2")])
    assert store.stored["acme"].wishes == WISHES


def test_what_waits_has_its_day_from_the_moment_when_it_goes_on() -> None:
    endpoint = paused(Endpoint("acme", WISHES))
    assert resumed(endpoint, NOON).resumed_at == NOON
    assert resumed(Endpoint("acme", WISHES), NOON).resumed_at is None


async def test_a_paused_endpoint_gets_nothing_loses_nothing_and_goes_on_in_order() -> None:
    async with Pushing(concurrency=1) as push:
        push.change("acme", paused(push.endpoints["acme"]))
        for number in range(3):
            push.settle(number)
            await push.until(lambda: len(push.ended) == number + 1)  # noqa: B023
        await push.turns(3 * 86_400)
        assert not push.customer().requests
        assert not push.store.parked, "a paused endpoint was not tried: nothing is given up"
        push.change("acme", resumed(push.endpoints["acme"], push.clock.now()))
        await push.turns()
        assert push.customer().heard == [(message_id_of(number), "0") for number in range(3)]
        assert not push.store.waiting


async def test_after_a_pause_what_is_not_taken_is_given_up_a_day_after_it_goes_on() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.FAILED
        push.change("acme", paused(push.endpoints["acme"]))
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        push.clock.skipped_s += 3 * 86_400
        push.change("acme", resumed(push.endpoints["acme"], push.clock.now()))
        await push.turns()
        assert (len(push.store.waiting), len(push.store.parked)) == (1, 0)
        await push.turns(86_401)
        assert (len(push.store.waiting), len(push.store.parked)) == (0, 1)


async def test_a_new_address_is_tried_at_once_however_dead_the_one_before_was() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.FAILED
        for number in range(10):
            push.settle(number)
            await push.until(lambda: len(push.ended) == number + 1)  # noqa: B023
        lane = next(iter(push.lanes))
        assert lane.breaker.rests
        push.change("acme", Endpoint("acme", OTHERS, version=2))
        assert not lane.breaker.rests
        assert not lane.breaker.is_resting(push.clock.monotonic())


async def test_an_older_state_of_an_endpoint_never_replaces_a_newer_one() -> None:
    async with Pushing() as push:
        push.change("acme", Endpoint("acme", OTHERS, version=5))
        push.change("acme", Endpoint("acme", WISHES, version=4))
        assert {str(lane.target.url) for lane in push.lanes} == {"https://example.com/y"}


async def test_what_waits_at_an_ended_endpoint_is_parked_after_its_day() -> None:
    async with Pushing() as push:
        push.customer().answer = Answer.REFUSED
        push.settle(1)
        await push.until(lambda: len(push.ended) == 1)
        push.change("acme", Endpoint("acme", Wishes(), State.DELETED, version=2))
        await push.turns(60)
        assert len(push.store.waiting) == 1
        await push.turns(86_401)
        assert (len(push.store.waiting), len(push.store.parked)) == (0, 1)
