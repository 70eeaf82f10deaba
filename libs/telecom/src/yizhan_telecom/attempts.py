"""Whether an attempt has a successor.

Router, who plans it, and receipts, who waits for it, both ask here: with an answer of their own
each, one would give messages up that the other still waits for.
"""

from collections.abc import Iterable
from enum import StrEnum

from yizhan_contracts.events import AttemptOutcome, InDoubtPolicy, Policy
from yizhan_contracts.reasons import Reason
from yizhan_telecom.reasons import is_curable_elsewhere


class Succession(StrEnum):
    """What follows an attempt that finished."""

    NOTHING = "nothing"
    """Nothing is planned: it waits for its receipt, or the chain has ended (see ``ends_chain``)."""
    SAME = "same"
    """It was never claimed: planned again under the same attempt id, so that the claim decides."""
    NEXT = "next"
    """Attempt n + 1, n being the one that ended: never a count."""


def next_is_allowed(policy: Policy, n: int, reason: Reason) -> bool:
    """Tell whether attempt ``n`` + 1 may follow attempt ``n`` that ended for ``reason``."""
    if reason is Reason.IN_DOUBT and policy.in_doubt is not InDoubtPolicy.RESEND:
        return False
    return n < policy.max_attempts and is_curable_elsewhere(reason)


def succession(
    policy: Policy, n: int, outcome: AttemptOutcome, reason: Reason = Reason.NONE
) -> Succession:
    """Decide what follows attempt ``n``."""
    match outcome:
        case AttemptOutcome.RELEASED:
            return Succession.SAME
        case AttemptOutcome.REFUSED | AttemptOutcome.FAILED:
            allowed = next_is_allowed(policy, n, reason)
        case AttemptOutcome.IN_DOUBT:
            # Whatever reason came with it, the doubt is what the account's policy speaks about.
            allowed = next_is_allowed(policy, n, Reason.IN_DOUBT)
        case _:
            allowed = False
    return Succession.NEXT if allowed else Succession.NOTHING


def ends_chain(
    policy: Policy, n: int, outcome: AttemptOutcome, reason: Reason = Reason.NONE
) -> bool:
    """Tell whether the message is given up with attempt ``n``: no next one, no receipt to wait for.

    An attempt in doubt under ``hold`` waits for its receipt; under ``resend`` its successor answers
    for it, and where there can be none the chain has ended (a late "delivered" corrects that).
    """
    if outcome in (AttemptOutcome.SUBMITTED, AttemptOutcome.RELEASED):
        return False
    if outcome is AttemptOutcome.IN_DOUBT and policy.in_doubt is InDoubtPolicy.HOLD:
        return False
    return succession(policy, n, outcome, reason) is Succession.NOTHING


def tried_with(tried: Iterable[str], channel: str) -> tuple[str, ...]:
    """Give the channels tried, ``channel`` included: in order of the first try, each once."""
    return tuple(dict.fromkeys((*tried, channel)))


def tried_before(tried: Iterable[str], channel: str) -> tuple[str, ...]:
    """Give the channels tried before ``channel``: a released attempt has not tried its own."""
    return tuple(name for name in tried if name != channel)
