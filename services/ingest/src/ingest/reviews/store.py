"""Steps in MongoDB: inserted once, never changed, each a line of the audit trail."""

from collections.abc import Callable, Sequence

from ingest.reviews.lifecycle import Kind, Name, Step, Taken
from yizhan_runtime.clock import Clock
from yizhan_runtime.feed import Feed
from yizhan_runtime.mongo import Document, Mongo

REVIEWS = "reviews"


class ReviewStore:
    """Keeps steps. Every method raises Retryable while MongoDB is away."""

    def __init__(self, mongo: Mongo, take: Callable[[Taken], None], clock: Clock) -> None:
        self._mongo = mongo
        self.feed = Feed(mongo, REVIEWS, lambda document: take(taken_of(document)), clock)

    async def load(self) -> None:
        """Hand over all there is."""
        await self.feed.load()

    async def add(self, taken: Taken) -> bool:
        """Store a step; False if somebody else took that one."""
        document = document_of(taken)
        is_new = await self._mongo.insert_one(REVIEWS, document)
        if is_new:
            self.feed.take(document)
        else:
            await self.feed.refresh()
        return is_new

    async def add_new(self, steps: Sequence[Taken]) -> None:
        """Store steps that are not there yet; the others stay as they are."""
        known = await self._mongo.find_by_ids(REVIEWS, [step.taken_id for step in steps], ["_id"])
        fresh = [document_of(step) for step in steps if step.taken_id not in known]
        await self._mongo.insert_new(REVIEWS, fresh)


def document_of(taken: Taken) -> Document:
    """Write a step. ``version`` and ``changed_at`` are the feed's."""
    document: Document = {
        "_id": taken.taken_id,
        "version": 1,
        "changed_at": taken.at,
        "kind": taken.of.kind.value,
        "account_id": taken.of.account_id,
        "name": taken.of.name,
        "of_version": taken.of.version,
        "n": taken.n,
        "step": taken.step.value,
        "by": taken.by,
        "reason": taken.reason,
    }
    return document if taken.content is None else document | {"content": taken.content}


def taken_of(document: Document) -> Taken:
    """Read a step back."""
    name = Name(
        Kind(document["kind"]), document["account_id"], document["name"], document["of_version"]
    )
    return Taken(
        name,
        document["n"],
        Step(document["step"]),
        document["by"],
        document["changed_at"],
        document["reason"],
        document.get("content"),
    )
