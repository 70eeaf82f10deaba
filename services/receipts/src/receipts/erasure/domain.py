"""What an erasure is, and how far it has come. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import SecretStr


class State(StrEnum):
    """How far an erasure has come."""

    RUNNING = "running"
    WAITING = "waiting"
    """For messages that are still open, or for records that may still come to the ledger."""
    DONE = "done"


class Where(StrEnum):
    """The stores of receipts that hold numbers or texts."""

    MESSAGES = "messages"
    CONTENTS = "contents"
    REPLIES = "replies"
    EXPORTS = "exports"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is erased: a number, with one account or with all; or all recipients of an account."""

    account_id: str
    phone: str = field(repr=False)

    def digest(self, key: SecretStr) -> str:
        """Give what tells this subject from others without naming the number: HMAC-SHA-256."""
        told = f"{self.account_id}\0{self.phone}".encode()
        return hmac.new(key.get_secret_value().encode(), told, hashlib.sha256).hexdigest()

    def phone_digest(self, key: SecretStr) -> str:
        """Give the number's HMAC-SHA-256: who has key and number can compare. "" for none."""
        if not self.phone:
            return ""
        return hmac.new(
            key.get_secret_value().encode(), self.phone.encode(), hashlib.sha256
        ).hexdigest()


class Found(NamedTuple):
    """One message of the subject."""

    message_id: str
    account_id: str


class Planned(NamedTuple):
    """A page of messages that is about to be erased: written down first, so that it counts once."""

    found: tuple[Found, ...]
    contents: int
    """How many of them still had a content."""

    @property
    def message_ids(self) -> list[str]:
        return [one.message_id for one in self.found]


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure, as it is stored. The number is only there until it is done."""

    erasure_id: str
    subject: Subject
    phone_hash: str
    asked_by: str
    """``operator``, or the account."""
    requested_at: datetime
    below_id: str
    """Messages whose ids were drawn later are new ones: an erasure is no opt-out."""
    state: State = State.RUNNING
    planned: Planned | None = None
    removed: Mapping[Where, int] = field(default_factory=dict)
    """By store: what was found and is gone."""
    export_ids: tuple[str, ...] = ()
    waiting_ids: tuple[str, ...] = ()
    """Messages that are still open; the first of them, if there are many."""
    left: Mapping[str, int] | None = None
    """What a last look found, by store: all zero when it is done."""
    done_at: datetime | None = None
