"""How long things are kept: checked whole, with words that say what to do."""

from pathlib import Path

import pytest
from services.receipts.tests.unit.making import NOON

from receipts.ledger.weeks import Week
from receipts.retention.policy import Policies, Stage, load_policies
from yizhan_runtime import Misconfigured


def load(tmp_path: Path, text: str) -> Policies:
    file = tmp_path / "retention.yaml"
    file.write_text(text)
    return load_policies(file)


def test_an_account_has_what_it_does_not_say_as_by_default(tmp_path: Path) -> None:
    policies = load(
        tmp_path,
        "default: {contents_days: 20, numbers_days: 90, all_days: 300}\n"
        "accounts: {acme: {contents_days: 14}, other: {all_days: 500}}\n",
    )
    assert policies.of("acme").contents_days == 14
    assert policies.of("acme").numbers_days == 90
    assert policies.of("nobody").contents_days == 20
    assert policies.longest(Stage.ALL) == 500
    assert policies.longest(Stage.CONTENTS) == 20
    assert policies.shorter_than_longest(Stage.CONTENTS, ["other", "acme"]) == ["acme"]
    assert policies.shorter_than_longest(Stage.ALL, ["other", "acme"]) == ["acme"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default: {contents_days: 9}", "greater than or equal to 10"),
        ("default: {contents_days: 40, numbers_days: 30}", "not be more than numbers_days"),
        ("accounts: {acme: {numbers_days: 500}}", "nor that more than all_days"),
        ("accounts: {acme: 3}", r"accounts\.acme"),
        ("defaults: {}", "defaults"),
        ("{", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said):
        load(tmp_path, text)


def test_without_a_file_all_is_as_by_default() -> None:
    policy = load_policies(None).of("acme")
    assert (policy.contents_days, policy.numbers_days, policy.all_days) == (30, 180, 400)
    assert Week.of_id(policy.below(Stage.CONTENTS, NOON)) == Week.of_time(
        policy.before(Stage.CONTENTS, NOON)
    )
