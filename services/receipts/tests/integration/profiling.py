"""Which queries look at more than they need: MongoDB's own profile of one database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient


@contextmanager
def profiled(mongo_url: str, name: str) -> Iterator[Any]:
    """Profile every operation on a database, from when it is given until ``scans_of`` is asked."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        database = client[name]
        yield database
        database.command("profile", 0)


def scans_of(database: Any) -> list[tuple[str, Any]]:
    """Give the queries that walked through a whole collection with something in it."""
    database.command("profile", 0)
    return [
        (entry["ns"], entry["command"])
        for entry in database["system.profile"].find({"ns": {"$ne": "admin.$cmd"}})
        if "COLLSCAN" in entry.get("planSummary", "")
        and "system" not in entry["ns"]
        # An upsert by _id of a collection that is still empty.
        and entry.get("docsExamined", 0) > 0
    ]
