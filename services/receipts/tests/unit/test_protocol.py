"""The decisions against the protocol's, for all facts that two attempts and a call can leave."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain as joined
from itertools import combinations, product

import pytest
from services.receipts.tests.unit import protocol
from services.receipts.tests.unit.making import NOON, Facts, accepted

from receipts.ledger.decisions import Action, Call, Reroute, Settle, decide, decide_swept
from receipts.ledger.facts import Fact, Kind
from receipts.ledger.story import State, fold
from yizhan_contracts.events import (
    CallOutcome,
    InDoubtPolicy,
    Policy,
    ReceiptState,
    VoicePolicy,
)
from yizhan_contracts.reasons import Reason

SETTINGS = [protocol.Setting(r, c) for r, c in product([True, False], repeat=2)]
AFTER_ALL = NOON + timedelta(days=30)


def words_of(n: int) -> Iterator[tuple[protocol.Item, ...]]:
    """Give all that may be said of one attempt. A receipt is matched to a known submit."""
    outcomes: list[protocol.Item] = [("f", n, "sub"), ("f", n, "ref"), ("f", n, "dbt")]
    receipts: list[protocol.Item] = [("rf", n, "dlv"), ("rf", n, "fail")]
    yield ()
    yield (("nc", n),)
    for said in joined.from_iterable(combinations(outcomes, k) for k in range(1, 4)):
        yield said
        yield (*said, ("f", n, "late"))
        if ("f", n, "sub") in said:
            for k in (1, 2):
                yield from ((*said, *told) for told in combinations(receipts, k))
    yield (("f", n, "late"),)


CALLS: list[tuple[protocol.Item, ...]] = [(), (("vf", "ans"),), (("vf", "no"),)]
WORLDS = [
    {*first, *second, *call}
    for first, second, call in product(list(words_of(1)), list(words_of(2)), CALLS)
]


def as_fact(item: protocol.Item) -> Fact:  # noqa: PLR0911 - a table
    match item:
        case ("f", int(n), "sub"):
            return Facts.attempt(Kind.SUBMITTED, n)
        case ("f", int(n), "ref"):
            return Facts.attempt(Kind.REFUSED, n, Reason.CARRIER_ERROR)
        case ("f", int(n), "dbt"):
            return Facts.attempt(Kind.IN_DOUBT, n, Reason.IN_DOUBT)
        case ("f", int(n), "late"):
            return Facts.attempt(Kind.EXPIRED, n, Reason.VALIDITY_EXPIRED)
        case ("nc", int(n)):
            return Facts.attempt(Kind.UNROUTABLE, n, Reason.NO_ROUTE)
        case ("rf", int(n), "dlv"):
            return Facts.receipt(ReceiptState.DELIVERED, n)
        case ("rf", int(n), "fail"):
            return Facts.receipt(ReceiptState.FAILED, n, Reason.CARRIER_ERROR)
        case ("vf", "ans"):
            return Facts.called(CallOutcome.ANSWERED)
        case _:
            return Facts.called(CallOutcome.NO_ANSWER)


def state_of(known: set[protocol.Item], setting: protocol.Setting) -> State:
    policy = Policy(
        max_attempts=protocol.LAST,
        in_doubt=InDoubtPolicy.RESEND if setting.resends else InDoubtPolicy.HOLD,
        voice=VoicePolicy.ON_FAILURE if setting.calls else VoicePolicy.NEVER,
    )
    return fold(accepted(policy=policy), [as_fact(item) for item in known])


def as_item(action: Action | None) -> protocol.Item | None:
    match action:
        case Settle(verdict):
            return ("settle", verdict.status.value)
        case Call():
            return ("call",)
        case Reroute(n):
            return ("reroute", n)
        case _:
            return None


@pytest.mark.parametrize("setting", SETTINGS)
def test_decisions_are_those_of_the_protocol(setting: protocol.Setting) -> None:
    wrong = [
        known
        for known in WORLDS
        if as_item(decide(state_of(known, setting), is_settled=False, now=NOON))
        != protocol.decide(known, setting)
    ]
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("setting", SETTINGS)
def test_status_at_the_last_deadline_is_that_of_the_protocol(setting: protocol.Setting) -> None:
    for known in WORLDS:
        asked = Facts.call_requested(sms_failed=True)
        state = state_of(known, setting)._replace(
            call_wait_until=asked.at, call_due_at=asked.due_at
        )
        settled = as_item(decide_swept(state, is_settled=False, now=AFTER_ALL))
        assert settled == ("settle", protocol.final(known, setting)), known
