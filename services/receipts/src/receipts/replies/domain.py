"""Which message a reply answers. Pure."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from yizhan_contracts.events import ReplyReceived


class Sent(NamedTuple):
    """A message that was handed over to whoever replies, and how it left."""

    message_id: str
    account_id: str
    reference: str
    sender: str
    carrier_account: str
    at: datetime


class MatchedBy(StrEnum):
    """What a reply and its message have in common beside the recipient."""

    SENDER = "sender"
    """The reply went to what the message showed as its sender."""
    CARRIER = "carrier"
    """Both went through one account of one carrier, which puts its own number in."""
    NOTHING = ""


class Match(NamedTuple):
    """The message that a reply answers, None when nobody has written to its sender."""

    sent: Sent | None
    by: MatchedBy


def conversation_id_of(account_id: str, phone: str, ours: str) -> str:
    """Name what an account and a person write each other through one sender, in both directions.

    A digest, not a secret: whoever knows the three can make it, so it is erased with the reply.
    """
    said = "\0".join((account_id, phone, ours.lstrip("+")))
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def match(reply: ReplyReceived, candidates: Iterable[Sent]) -> Match:
    """Find the last message that a reply may answer: by the sender it showed, else the carrier's.

    Sent after the reply came, it is none that it answers.
    """
    before = [sent for sent in candidates if sent.at <= reply.received_at]
    to_sender = [sent for sent in before if _is_same_number(sent.sender, reply.recipient)]
    if to_sender:
        return Match(max(to_sender, key=_when), MatchedBy.SENDER)
    by_carrier = [sent for sent in before if sent.carrier_account == reply.carrier_account]
    if by_carrier:
        return Match(max(by_carrier, key=_when), MatchedBy.CARRIER)
    return Match(None, MatchedBy.NOTHING)


def _is_same_number(one: str, other: str) -> bool:
    """Compare as carriers write: a number with or without its plus."""
    return bool(one) and one.lstrip("+") == other.lstrip("+")


def _when(sent: Sent) -> tuple[datetime, str]:
    return sent.at, sent.message_id
