"""How long receipts are waited for: the account's word, the country's, the default."""

from datetime import timedelta
from pathlib import Path

import pytest
from services.receipts.tests.unit.making import NOON, finished, message

from receipts.ledger.deadlines import Deadlines
from receipts.ledger.documents import attempt_fact
from receipts.ledger.silence import FeedTerms
from receipts.ledger.waiting import Waiting, load_waiting
from yizhan_contracts.events import AttemptOutcome, InDoubtPolicy, Policy
from yizhan_runtime import Misconfigured

DEADLINES = Deadlines(default_s=7200, countries={"CN": 1800, "883": 60})


@pytest.mark.parametrize(
    ("own_s", "country", "wanted_s"),
    [(None, "CN", 1800), (None, "FR", 7200), (None, "883", 60), (600, "CN", 600), (600, "FR", 600)],
)
def test_account_speaks_before_its_country_and_that_before_the_default(
    own_s: float | None, country: str, wanted_s: float
) -> None:
    event = finished(AttemptOutcome.SUBMITTED, receipt_timeout_s=own_s, country=country)
    fact = attempt_fact(event, NOON, DEADLINES)
    assert fact["receipt_due_at"] == NOON + timedelta(seconds=wanted_s)


def test_attempt_in_doubt_that_is_held_is_due_by_its_country_too() -> None:
    of = message(policy=Policy(in_doubt=InDoubtPolicy.HOLD))
    fact = attempt_fact(finished(AttemptOutcome.IN_DOUBT, of=of), NOON, DEADLINES)
    assert fact["receipt_due_at"] == NOON + timedelta(seconds=1800)


def test_file_of_the_repository_is_good_and_names_every_term() -> None:
    file = Path(__file__).parents[4] / "deploy" / "config" / "waiting.yaml"
    waiting = load_waiting(file)
    assert waiting.deadlines.countries
    assert waiting.missing_feeds.model_fields_set == set(FeedTerms.model_fields)


def test_without_a_file_the_defaults_hold() -> None:
    assert load_waiting(None) == Waiting()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deadlines: { countries: { UK: 60 } }", "deadlines.countries.UK"),
        ("deadlines: { countries: { cn: 60 } }", "GB, not UK"),
        ("deadlines: { default_s: 0 }", "deadlines.default_s"),
        ("deadlines: { default_s: 999999 }", "deadlines.default_s"),
        ("deadline: {}", "deadline"),
        ("missing_feeds: { missing_below: 0.9 }", "back_above must not be below"),
        ("missing_feeds: { look_again_s: 9999 }", "look_again_most_s must not be below"),
        ("missing_feeds: { at_least: 1 }", "missing_feeds.at_least"),
        ("[", "cannot be read"),
    ],
)
def test_bad_file_is_refused_whole_and_says_where(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "waiting.yaml"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=told):
        load_waiting(file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="YIZHAN_RECEIPTS_WAITING_FILE"):
        load_waiting(tmp_path / "none.yaml")
