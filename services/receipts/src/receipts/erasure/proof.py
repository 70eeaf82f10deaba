"""The proof of an erasure: what was found and is gone, and what goes by itself by when. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from receipts.erasure.domain import Erasure, State, Where
from yizhan_contracts import topics
from yizhan_contracts.personal import NEITHER, OF_SERVICES, Holds, gone_after, held_by

_HOW: Final = {
    Where.MESSAGES: "indexes on recipient, or account; messages and settled",
    Where.CONTENTS: "ids of the messages; looked at again page by page",
    Where.REPLIES: "indexes on phone, or account",
    Where.EXPORTS: "exports of the account whose range covers a message; counted by their parts",
}
OWN: Final[dict[str, frozenset[Holds]]] = {
    "messages": frozenset({Holds.NUMBER}),
    "settled": frozenset({Holds.NUMBER}),
    "contents": frozenset(Holds),
    "replies": frozenset(Holds),
    "export_parts": frozenset(Holds),
    "erasures": frozenset({Holds.NUMBER}),
    "facts": NEITHER,
    "early_receipts": NEITHER,
    "cursors": NEITHER,
    "push_due": NEITHER,
    "push_parked": NEITHER,
    "push_leases": NEITHER,
    "push_events": NEITHER,
    "push_said": NEITHER,
    "push_replays": NEITHER,
    "batches": NEITHER,
    "endpoints": NEITHER,
    "exports": NEITHER,
    "unmatched_receipts": NEITHER,
    "pushes": NEITHER,
    "balances": NEITHER,
    "retention": NEITHER,
    "retention_policies": NEITHER,
}
"""All collections of receipts, and what they hold; a test holds it against a running service."""


class Expiry(NamedTuple):
    """Something that goes by itself."""

    where: str
    holds: list[str]
    by: datetime | None
    """At the latest; None: it has no bound."""
    how: str


def proof_of(erasure: Erasure) -> dict[str, Any]:
    """Say what has been done, and what is to come. Without the number, but with its HMAC."""
    since = erasure.done_at
    expiries = list(_expiries(since)) if since else []
    bounded = [one.by for one in expiries if one.by is not None]
    return {
        "erasure_id": erasure.erasure_id,
        "state": erasure.state,
        "subject": {
            "account_id": erasure.subject.account_id or None,
            "phone_hmac_sha256": erasure.phone_hash or None,
        },
        "asked_by": erasure.asked_by,
        "requested_at": erasure.requested_at,
        "done_at": erasure.done_at,
        "removed": [
            {"store": where, "found_and_removed": erasure.removed.get(where, 0), "found_by": how}
            for where, how in _HOW.items()
        ],
        "export_ids": erasure.export_ids,
        "still_open_ids": erasure.waiting_ids,
        "verified_left": erasure.left,
        "carries_no_number": sorted(name for name, holds in OWN.items() if not holds),
        "expires_by_itself": [one._asdict() for one in expiries],
        "without_a_bound": [one.where for one in expiries if one.by is None],
        "complete_at": max(bounded) if erasure.state is State.DONE and bounded else None,
        "backups": "the deployment's: whatever it restores must be erased again",
        "later_messages": "an erasure is no opt-out: what comes to the number later is new",
    }


def _expiries(since: datetime) -> Iterable[Expiry]:
    yield from _of_topics(since)
    for store in OF_SERVICES:
        if store.holds:
            kept = store.kept_days
            yield Expiry(
                f"{store.service}: {store.name}",
                sorted(store.holds),
                None if kept is None else since + timedelta(days=kept) + _LAG,
                store.note,
            )


_LAG: Final = timedelta(hours=2)
"""Services drop what is old once an hour, in bites."""


def _of_topics(since: datetime) -> Iterable[Expiry]:
    families = [one for one in topics.FAMILIES if one.event is not None]
    aside = [
        topic
        for service in topics.Service
        for topic in (
            *(topics.retry_topic(service, delay) for delay in topics.RETRY_DELAYS_S),
            topics.dlq_topic(service),
        )
    ]
    for topic in (*topics.SINGLE, *families, *aside):
        if holds := held_by(topic):
            kept = gone_after(topic)
            yield Expiry(
                f"Kafka: {topic.name}",
                sorted(holds),
                None if kept is None else since + kept,
                f"retention.ms {topic.retention_ms}, segment.ms {topics.SEGMENT_MS}",
            )
