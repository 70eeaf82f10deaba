"""Holds in MongoDB, and on ``hold.changed`` within the request that changes them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.ports import Publisher
from yizhan_contracts.events import HoldChanged, HoldKind
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.feed import Feed
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Document, Index, Mongo
from yizhan_telecom.holds import Holds

log = get_logger(__name__)

HOLDS = "holds"
REPAIR_EVERY_S = 5.0
_UNPUBLISHED = {"unpublished": True}


@dataclass(frozen=True, slots=True)
class Held:
    """A hold and who set it, or lifted it."""

    hold: HoldChanged
    by: str
    is_operators: bool
    """Set by an operator: the account itself cannot lift it."""


class HoldStore:
    """Writes holds, then publishes them. ``feed.run`` and ``repair`` must be running.

    The topic ends with what the database says: whoever publishes a state looks afterwards whether
    there is a newer one, and what a crash left unpublished is published by anybody.
    """

    def __init__(self, mongo: Mongo, publisher: Publisher, clock: Clock) -> None:
        self._mongo = mongo
        self._publisher = publisher
        self._clock = clock
        self._known: dict[str, Held] = {}
        self.holds = Holds()
        self.feed = Feed(mongo, HOLDS, self._take, clock)

    async def ensure_indexes(self) -> None:
        """Create what ``repair`` looks by."""
        await self._mongo.ensure_indexes(
            HOLDS, [Index((("unpublished", 1),), partial=_UNPUBLISHED)]
        )

    def held(self) -> list[Held]:
        """Give what is stopped now."""
        return [one for one in self._known.values() if one.hold.held]

    def find(self, key: str) -> Held | None:
        """Give a hold that is in force."""
        found = self._known.get(key)
        return found if found is not None and found.hold.held else None

    async def put(self, held: Held) -> None:
        """Change a hold, and tell everybody. Raises Retryable: then it may be told later."""
        document = await self._mongo.find_one_and_update(
            HOLDS,
            {"_id": held.hold.key()},
            {"$set": _fields(held) | _UNPUBLISHED, "$inc": {"version": 1}},
            upsert=True,
        )
        if document is not None:
            self.feed.take(document)
            await self._publish(document)

    async def repair(self) -> None:
        """Publish what a crash or an outage left unpublished, for ever."""
        while True:
            await self._clock.sleep(REPAIR_EVERY_S)
            try:
                await self.repair_once()
            except Retryable as error:
                log.warning("holds stay untold for now", extra={"why": str(error)})

    async def repair_once(self) -> None:
        """Publish what has been waiting for it. Raises Retryable."""
        due = self._clock.now() - timedelta(seconds=REPAIR_EVERY_S)
        for document in await self._mongo.find(HOLDS, _UNPUBLISHED):
            if document["changed_at"] < due:
                await self._publish(document)

    async def _publish(self, document: Document) -> None:
        while True:
            await self._publisher.publish([_held_of(document).hold])
            same = {"_id": document["_id"], "version": document["version"]}
            if await self._mongo.update_one(HOLDS, same, {"$unset": {"unpublished": ""}}):
                return
            newer = await self._mongo.find_by_ids(HOLDS, [document["_id"]])
            document = newer[document["_id"]]

    def _take(self, document: Document) -> None:
        held = _held_of(document)
        self._known[document["_id"]] = held
        self.holds.on_changed(document["_id"], held.hold)


def make_hold(
    kind: HoldKind, held_id: str, account_id: str, now: datetime, **fields: object
) -> HoldChanged:
    """Name what is held."""
    named = {"kind": kind, "held_id": held_id, "account_id": account_id, "changed_at": now}
    return HoldChanged.model_validate({**named, **fields})


def _fields(held: Held) -> Document:
    return {
        "hold": held.hold.model_dump(mode="json"),
        "by": held.by,
        "is_operators": held.is_operators,
        "changed_at": held.hold.changed_at,
    }


def _held_of(document: Document) -> Held:
    hold = HoldChanged.model_validate(document["hold"])
    return Held(hold, document["by"], document["is_operators"])
