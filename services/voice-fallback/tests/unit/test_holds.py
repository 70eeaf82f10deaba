"""What is held rings nobody: it waits aside, or is cancelled."""

from voice_fallback.providers.base import NotTaken
from yizhan_contracts.events import HoldChanged, HoldKind
from yizhan_contracts.reasons import Reason

from .world import EPOCH, World, request

HELD = HoldChanged(kind=HoldKind.ACCOUNT, held_id="demo", held=True, changed_at=EPOCH)
LIFTED = HELD.model_copy(update={"held": False})
CANCELLED = HELD.model_copy(update={"cancel": True})


def change(world: World, hold: HoldChanged) -> None:
    world.holds.on_changed(hold.key(), hold)


async def test_a_held_call_waits_aside_and_is_rung_once_it_is_resumed() -> None:
    world = World()
    change(world, HELD)
    asked = request()
    async with world.process() as process:
        (held,) = process.read(asked)
        await process.turn(1)
        assert held.ending == "parked"
        assert not world.vox.rung
        change(world, LIFTED)
        (again,) = process.read(asked)
        await process.turn(1)
        await world.report()
        await process.turn()
    assert again.ending == "finished"
    assert world.kafka.outcomes() == ["answered"]


async def test_a_call_that_is_stopped_for_good_is_cancelled() -> None:
    world = World()
    change(world, CANCELLED)
    async with world.process() as process:
        (opened,) = process.read(request())
        await process.turn(1)
    assert opened.ending == "finished"
    assert not world.vox.rung
    assert world.kafka.outcomes() == ["cancelled"]


async def test_a_ring_that_is_claimed_already_waits_where_it_is() -> None:
    world = World()
    world.vox.answers = [NotTaken(Reason.CARRIER_UNAVAILABLE, "refused")]
    async with world.process() as process:
        (opened,) = process.read(request())
        await process.turn()
        change(world, HELD)
        await process.turn(60)
        assert opened.ending == "open"
        change(world, LIFTED)
        await process.turn(10)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]


async def test_what_is_held_elsewhere_rings() -> None:
    world = World()
    change(world, HELD.model_copy(update={"held_id": "somebody-else"}))
    async with world.process() as process:
        process.read(request())
        await process.turn(1)
        await world.report()
        await process.turn()
    assert world.kafka.outcomes() == ["answered"]
