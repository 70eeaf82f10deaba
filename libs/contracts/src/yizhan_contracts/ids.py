"""Identifiers: message ids that carry their time and shard, attempt ids, partitions.

A ``message_id`` is 32 lowercase hexadecimal characters: 48-bit Unix milliseconds, 16-bit shard, 64
random bits. Ids sort by time (cheap B-tree inserts), and whoever knows the id knows the shard.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MESSAGE_ID_PATTERN = r"^[0-9a-f]{32}$"
ATTEMPT_ID_PATTERN = r"^[0-9a-f]{32}-[1-9][0-9]?$"
_MESSAGE_ID = re.compile(MESSAGE_ID_PATTERN)
_ATTEMPT_ID = re.compile(ATTEMPT_ID_PATTERN)
_SHARD_AT = slice(12, 16)

RandomBits = Callable[[int], int]


class Attempt(NamedTuple):
    """The two parts of an attempt id."""

    message_id: str
    n: int


@lru_cache(maxsize=65_536)
def shard_of_recipient(recipient: str) -> int:
    """Hash a recipient (E.164) to its 16-bit shard: the same for every message to that number."""
    return int.from_bytes(hashlib.blake2b(recipient.encode(), digest_size=2).digest())


def new_message_id(recipient: str, now_ms: int, random_bits: RandomBits = secrets.randbits) -> str:
    """Draw a fresh id. ``now_ms`` is Unix milliseconds; draw once, store it, then publish."""
    return (
        f"{now_ms & 0xFFFFFFFFFFFF:012x}{shard_of_recipient(recipient):04x}{random_bits(64):016x}"
    )


def shard_of(message_id: str) -> int:
    """Read the shard out of a message id (or of an attempt id, which begins with one)."""
    return int(message_id[_SHARD_AT], 16)


def created_ms_of(message_id: str) -> int:
    """Read the Unix milliseconds at which the id was drawn."""
    return int(message_id[:12], 16)


def first_message_id(at_ms: int) -> str:
    """Give the smallest id that can be drawn at ``at_ms``: the bound of a range over time."""
    return f"{at_ms & 0xFFFFFFFFFFFF:012x}{'0' * 20}"


def is_message_id(text: str) -> bool:
    """Tell whether the text is a message id, and nothing more than one."""
    return _MESSAGE_ID.fullmatch(text) is not None


def attempt_id(message_id: str, n: int) -> str:
    """Name attempt ``n`` (1, 2, ...) of a message."""
    return f"{message_id}-{n}"


def parse_attempt_id(text: str) -> Attempt:
    """Split an attempt id. Raises ValueError for anything else."""
    if _ATTEMPT_ID.fullmatch(text) is None:
        raise ValueError("an attempt id is <32 hexadecimal characters>-<number>")
    message_id, _, n = text.partition("-")
    return Attempt(message_id, int(n))


def key_of_shard(shard: int) -> bytes:
    """Give the record key of a shard: four hexadecimal characters."""
    return b"%04x" % shard


def partition_of(shard: int, partitions: int) -> int:
    """Place a shard: computed by us, not by a client's hash, so that every producer agrees."""
    return shard % partitions


def partition_of_key(key: str, partitions: int) -> int:
    """Place a key that is no shard (a shipment id, a carrier's message id)."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) % partitions
