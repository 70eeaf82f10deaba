"""What has been erased is not brought back by a record that comes again."""

from services.receipts.tests.unit.making import MESSAGE_ID, NOON, finished, message, receipt
from services.receipts.tests.unit.world import World

from yizhan_contracts.events import AttemptOutcome, ReceiptState


async def test_a_record_that_comes_again_does_not_bring_back_what_was_erased() -> None:
    world = World()
    said = (message(), finished(AttemptOutcome.SUBMITTED), receipt(ReceiptState.DELIVERED))
    await world.hear(*said)
    assert MESSAGE_ID in world.store.contents
    world.store.settled[MESSAGE_ID]["erased_at"] = NOON
    world.store.messages[MESSAGE_ID]["recipient"] = ""
    del world.store.contents[MESSAGE_ID]
    await world.hear(message())
    assert not world.store.contents
    assert world.store.messages[MESSAGE_ID]["recipient"] == ""
