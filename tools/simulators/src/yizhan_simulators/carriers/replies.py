"""What recipients write back: planned when a message is taken, posted or delivered when due."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from pydantic_core import to_json

from yizhan_simulators.behaviour import MessageBehaviour
from yizhan_simulators.carriers.handed import Accepted
from yizhan_simulators.clock import iso
from yizhan_simulators.draws import hits


class Reply(NamedTuple):
    """One message from a handset to the sender of ours; never in the journal."""

    carrier: str
    sender: str
    to: str
    text: str
    due: float
    callback: str
    reply_id: str = ""


def new_id(rng: Random) -> str:
    """Draw an id for a reply."""
    return f"{rng.getrandbits(128):032x}"


def plan_replies(
    carrier: str,
    accepted: Iterable[Accepted],
    behaviours: Iterable[MessageBehaviour],
    callback: str,
    rng: Random,
) -> list[Reply]:
    """Plan the replies to what was just taken and is delivered; to whole messages only once."""
    replies = []
    for message, behaviour in zip(accepted, behaviours, strict=True):
        submission, reply = message.submission, behaviour.reply
        is_last = submission.number == submission.total
        if is_last and message.plan.final == "delivered" and hits(rng, reply.ratio):
            due = max((said.due for said in message.plan.said), default=0.0)
            due += reply.after_ms.draw_s(rng)
            who = submission.to, submission.sender
            replies.append(Reply(carrier, *who, reply.text, due, callback, new_id(rng)))
    return replies


def encode_replies(replies: Sequence[Reply]) -> bytes:
    """Write the body of a reply webhook."""
    return to_json({"replies": [_wire(reply) for reply in replies]})


def _wire(reply: Reply) -> dict[str, str]:
    return {
        "id": reply.reply_id,
        "from": reply.sender,
        "to": reply.to,
        "text": reply.text,
        "at": iso(reply.due),
    }
