"""The decisions against the protocol's model, for all that two attempts and a call can leave."""

import importlib.util
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain as joined
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
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

Item = tuple[object, ...]
LAST = 2
AFTER_ALL = NOON + timedelta(days=30)
WORDS = {"dlv": "delivered", "fail": "failed", "unk": "unknown", "exp": "expired"}


class Setting(NamedTuple):
    """The account's policy."""

    resends: bool
    calls: bool


SETTINGS = [Setting(r, c) for r, c in product([True, False], repeat=2)]


def model_of(setting: Setting) -> Any:
    """Load the model that was searched, told what the account wants. It speaks in tuples."""
    file = Path(__file__).parents[4] / "model" / "protocol_model.py"
    spec = importlib.util.spec_from_file_location("protocol_model", file)
    assert spec
    assert spec.loader
    model: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    model.R, model.N = set(model.RULES), LAST
    model.cfg = model.CFG | {"voice": int(setting.calls), "resend": int(setting.resends)}
    return model


def words_of(n: int) -> Iterator[tuple[Item, ...]]:
    """Give all that may be said of one attempt. A receipt is matched to a known submit."""
    outcomes: list[Item] = [("f", n, "sub", "A"), ("f", n, "ref", "A"), ("f", n, "dbt", "A")]
    receipts: list[Item] = [("rf", n, "dlv"), ("rf", n, "fail")]
    yield ()
    yield (("nc", n),)
    for said in joined.from_iterable(combinations(outcomes, k) for k in range(1, 4)):
        yield said
        yield (*said, ("f", n, "late", "A"))
        if ("f", n, "sub", "A") in said:
            for k in (1, 2):
                yield from ((*said, *told) for told in combinations(receipts, k))
    yield (("f", n, "late", "A"),)


CALLS: list[tuple[Item, ...]] = [(), (("vf", "ans"),), (("vf", "noans"),)]
WORLDS = [
    {("msg",), *first, *second, *call}
    for first, second, call in product(list(words_of(1)), list(words_of(2)), CALLS)
]


def as_fact(item: Item) -> Fact:  # noqa: PLR0911 - a table
    match item:
        case ("f", int(n), "sub", _):
            return Facts.attempt(Kind.SUBMITTED, n)
        case ("f", int(n), "ref", _):
            return Facts.attempt(Kind.REFUSED, n, Reason.CARRIER_ERROR)
        case ("f", int(n), "dbt", _):
            return Facts.attempt(Kind.IN_DOUBT, n, Reason.IN_DOUBT)
        case ("f", int(n), "late", _):
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


def state_of(known: set[Item], setting: Setting) -> State:
    policy = Policy(
        max_attempts=LAST,
        in_doubt=InDoubtPolicy.RESEND if setting.resends else InDoubtPolicy.HOLD,
        voice=VoicePolicy.ON_FAILURE if setting.calls else VoicePolicy.NEVER,
    )
    return fold(accepted(policy=policy), [as_fact(item) for item in known - {("msg",)}])


def as_item(action: Action | None) -> Item | None:
    match action:
        case Settle(verdict):
            return ("settle", verdict.status.value)
        case Call():
            return ("call",)
        case Reroute(n):
            return ("reroute", n)
        case _:
            return None


def in_words(decision: Any) -> Item | None:
    """Say the model's decision in our words."""
    match decision:
        case ("settle", status):
            return ("settle", WORDS[status])
        case ("out", ("vreq",)):
            return ("call",)
        case ("out", ("rr", n, "fail")):
            return ("reroute", n)
        case _:
            assert decision is None
            return None


@pytest.mark.parametrize("setting", SETTINGS)
def test_decisions_are_those_of_the_protocol(setting: Setting) -> None:
    model = model_of(setting)
    for known in WORLDS:
        decided = decide(state_of(known, setting), is_settled=False, now=NOON)
        assert as_item(decided) == in_words(model.decide(known)), known


@pytest.mark.parametrize("setting", SETTINGS)
def test_status_at_the_last_deadline_is_that_of_the_protocol(setting: Setting) -> None:
    model = model_of(setting)
    for known in WORLDS:
        asked = Facts.call_requested(sms_failed=True)
        state = state_of(known, setting)._replace(
            call_wait_until=asked.at, call_due_at=asked.due_at
        )
        decided = decide_swept(state, is_settled=False, now=AFTER_ALL)
        assert as_item(decided) == ("settle", WORDS[model.final(known)]), known
