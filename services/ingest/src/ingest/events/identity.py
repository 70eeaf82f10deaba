"""Names of inputs and marks: hashes of what determines them, the same at every reading."""

import hashlib

from ingest.events.ordering import End
from yizhan_contracts.events import ShipmentUpdated


def digest(*parts: str) -> str:
    """Hash texts, each with its length, so that no two lists of texts give the same bytes."""
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def event_id(event: ShipmentUpdated) -> str:
    """Name an event. Its revision counts: some senders re-use an event id to correct it."""
    return digest("event", event.account_id, event.source, event.event_id, event.revision)


def input_id(event_digest: str, rule: str, recipient: str) -> str:
    """Name what an event makes for one recipient by one rule."""
    return digest("input", event_digest, rule, recipient)


def end_mark_id(event: ShipmentUpdated, end: End) -> str:
    """Name the mark that a shipment has reached an end."""
    return digest("end", event.account_id, event.shipment_id, end.name)


def first_mark_id(event: ShipmentUpdated, rule: str, recipient: str) -> str:
    """Name the mark that a rule has spoken of a shipment to a recipient."""
    return digest("first", event.account_id, event.shipment_id, rule, recipient)
