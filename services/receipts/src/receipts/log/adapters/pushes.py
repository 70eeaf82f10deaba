"""What is still to be pushed of one message, for its trace."""

import asyncio
from typing import Final

from receipts.ledger.documents import Document
from receipts.push.adapters.mongo import PARKED, WAITING
from yizhan_runtime import Mongo

_SHOWN: Final = ("status", "next_at", "first_at", "tries", "parked_at")


class MongoWaitingPushes:
    """Implements WaitingPushes: the ids of what waits begin with the message's."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def of_message(self, message_id: str) -> list[Document]:
        of_it = {"_id": {"$gt": f"{message_id}.", "$lt": f"{message_id}/"}}
        waiting, parked = await asyncio.gather(
            self._mongo.find(WAITING, of_it, fields=_SHOWN),
            self._mongo.find(PARKED, of_it, fields=_SHOWN),
        )
        return [{name: one[name] for name in _SHOWN if name in one} for one in (*waiting, *parked)]
