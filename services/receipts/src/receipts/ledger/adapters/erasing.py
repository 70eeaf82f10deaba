"""Taking out of the ledger what may not be kept: contents first, numbers later, then all of it.

Of a message that is still open nothing goes. Each step may be repeated. A number stands in the
contents, in ``settled`` and in ``messages``, and goes in this order: by ``messages`` it is found.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from receipts.ledger.adapters.collections import CONTENTS, FACTS, MESSAGES, SETTLED
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.weekly import part_name
from receipts.ledger.documents import Document
from receipts.ledger.weeks import Week
from yizhan_runtime import Mongo

_PAGE: Final = 5000
_HAS_NUMBER: Final = {"recipient": {"$ne": ""}}
_ID: Final = ("_id",)


class LedgerEraser:
    """What retention and erasure do in the ledger."""

    def __init__(self, ledger: MongoLedger, patient: Mongo) -> None:
        """``patient`` is a connection on which an operation may take minutes."""
        self._ledger = ledger
        self._weekly = ledger.weekly
        self._patient = patient

    # ---- what there is ----------------------------------------------------------------

    async def parts(self) -> list[tuple[str, Week]]:
        return await self._weekly.parts()

    async def accounts_in(self, weeks: Iterable[Week]) -> set[str]:
        """Name the accounts that have messages in these weeks."""
        found: set[str] = set()
        for week in weeks:
            found.update(await self._weekly.distinct(MESSAGES, week, "account_id"))
        return found

    async def ids_of_account(
        self, account_id: str, after: str, below: str, limit: int
    ) -> list[str]:
        found = await self._ledger.messages_of_account(account_id, after, below, limit, _ID, {})
        return [document["_id"] for document in found]

    async def numbers_of(
        self, who: Mapping[str, Any], after: str, below: str, limit: int, fields: Sequence[str]
    ) -> list[Document]:
        """Page through the messages that hold a number, oldest first.

        ``who`` names the number, or an account and that there is one: each has its index.
        """
        return await self._weekly.find_in_turn(
            MESSAGES,
            self._weekly.weeks_of_ids(after, below),
            {**who, "_id": {"$gt": after, "$lt": below}},
            sort=(("_id", 1),),
            limit=limit,
            fields=fields,
        )

    async def settled_among(self, message_ids: Collection[str]) -> set[str]:
        return (await self._ledger.settled_of(message_ids, _ID)).keys() & set(message_ids)

    async def has_open(self, week: Week) -> bool:
        """Say whether a message of a week has not settled."""
        after, below = f"{int(week.first_id, 16) - 1:032x}", week.next.first_id
        while page := await self._ledger.message_ids(after, below, _PAGE):
            settled = await self._ledger.settled_ids(page[0][0], page[-1][0])
            if any(message_id not in settled for message_id, _ in page):
                return True
            after = page[-1][0]
        return False

    # ---- what goes --------------------------------------------------------------------

    async def drop(self, kind: str, week: Week) -> None:
        await self._weekly.drop(kind, week)

    async def remove_contents(self, message_ids: Collection[str]) -> int:
        return await self._ledger.remove_contents(message_ids)

    async def remove_numbers(self, message_ids: Collection[str], at: datetime) -> int:
        """Take the numbers out; give how many messages had one."""
        gone = {"$set": {"recipient": "", "erased_at": at}}
        await self.remove_contents(message_ids)
        await self._weekly.update_of(SETTLED, message_ids, gone, also=_HAS_NUMBER)
        return await self._weekly.update_of(MESSAGES, message_ids, gone, also=_HAS_NUMBER)

    async def remove_numbers_of_week(self, week: Week, at: datetime) -> None:
        """Take all numbers out of a week to which nobody writes any more, contents too."""
        await self.drop(CONTENTS, week)
        gone = {"$set": {"recipient": "", "erased_at": at}}
        for kind in (SETTLED, MESSAGES):
            await self._patient.write_anew(part_name(kind, week), [gone])

    async def remove_all(self, message_ids: Collection[str], at: datetime) -> int:
        """Take settled messages out; give how many there were.

        ``settled`` goes last: a message without it would look open, and stay for ever. What was
        acknowledged of it goes with the week: an id and a letter in a document of many.
        """
        await self.remove_numbers(message_ids, at)
        await self._weekly.delete_of(FACTS, message_ids, field="message_id")
        gone = await self._weekly.delete_of(MESSAGES, message_ids)
        await self._weekly.delete_of(SETTLED, message_ids)
        return gone

    # ---- what is left -----------------------------------------------------------------

    async def count_numbers(self, who: Mapping[str, Any], below: str) -> int:
        """Count what ``numbers_of`` would find."""
        query = {**who, "_id": {"$lt": below}}
        return await self._weekly.count_in(MESSAGES, self._weekly.weeks(), query)

    async def count_contents(self, message_ids: Collection[str]) -> int:
        return len(await self._weekly.find_by_ids(CONTENTS, message_ids, _ID))

    async def count_settled_numbers(self, message_ids: Collection[str]) -> int:
        found = await self._ledger.settled_of(message_ids, ("recipient",))
        return sum(bool(document.get("recipient")) for document in found.values())
