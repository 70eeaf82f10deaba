"""The accounts file: what it may say, and how its mistakes are named."""

from pathlib import Path

import pytest
from services.ingest.tests.unit.fakes import NOON
from services.ingest.tests.unit.making import ACCOUNTS, catalogue

from ingest.adapters.catalogue_file import load_catalogue, parse_catalogue
from ingest.catalogue import ApiKey, Notify, Scope
from ingest.errors import BadCatalogue
from ingest.keys.domain import KeyTable
from ingest.keys.seeds import seeded
from yizhan_contracts.events import Lane, Milestone

DEMO = Path(__file__).parents[4] / "deploy/config/accounts.yaml"


def test_the_newest_approved_version_is_sent() -> None:
    account = catalogue().account("shop")
    assert account is not None
    newest = account.template("score")
    assert newest is not None
    assert newest.version == 2
    older = account.template("score", 1)
    assert older is not None
    assert not older.is_approved
    assert account.template("score", 9) is None


def test_rules_have_their_defaults_and_say_otherwise() -> None:
    account = catalogue().account("shop")
    assert account is not None
    assert account.rules[Milestone.DELIVERED].lane is Lane.URGENT
    assert account.rules[Milestone.DELAYED].lane is Lane.STANDARD
    assert account.rules[Milestone.IN_TRANSIT].notify is Notify.FIRST


def test_keys_lead_to_their_account() -> None:
    keys = KeyTable(seeded(catalogue().accounts(), NOON))
    key = keys.find("send-only")
    assert key is not None
    assert (key.account_id, key.scopes, key.test) == ("shop", frozenset({Scope.SEND}), False)
    assert keys.find("nobody") is None


def test_a_key_of_the_file_sees_personal_data_only_where_it_says_so() -> None:
    entry = {"key": "shop-key", "secret_sha256": "0" * 64}
    key = ApiKey.model_validate(entry)
    assert key.scopes == {Scope.SEND, Scope.READ, Scope.ADMIN}
    asked = ApiKey.model_validate(entry | {"scopes": ["read", "read:personal"]})
    assert asked.scopes == {Scope.READ, Scope.READ_PERSONAL}


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ("state: verified", "state: golden", "accounts[0](shop).state", "verified"),
        ("sender: Yizhan", "sendr: Yizhan", "accounts[0](shop).sendr", "remove it, or correct"),
        ("sender: Yizhan", "home_region: CN", "accounts[0](shop).sender", "add it"),
        (
            "delivered: { template: delivered, lane",
            "deliverd: { template: delivered, lane",
            "accounts[0](shop).rules",
            "deliverd",
        ),
        ("template: unapproved", "template: nowhere", "accounts[0](shop)", "no template nowhere"),
        (
            "【驿站】包裹{tracking_number}已签收。",
            "包裹{number}",
            "templates[0](delivered)",
            "number",
        ),
        ("【驿站】包裹{tracking_number}已签收。", "包裹{}", "templates[0](delivered)", "brace"),
        ("languages: { zh: '你好' }", "languages: { en: 'Hi' }", "accounts[0](shop)", "fall back"),
        ("languages: { zh: '你好' }", "languages: { zh: ' ' }", "templates[5](unapproved)", "1 to"),
        ("version: 3", "version: 2", "accounts[0](shop)", "twice"),
        ("max_length: 40", "max_length: 81", "variables.tracking_number.max_length", "80"),
        ("'[A-Za-z ]+'", "'[A-Z'", "variables.place.pattern", "RE2"),
        ("id: other\n", "id: shop\n", "the file", "twice"),
        ("key: other-key", "key: test-key", "the file", "two accounts"),
        ("validity_s: 3600", "validity_s: 259201", "accounts[0](shop).validity_s", "259200"),
        ("name: A shop", "name: A shop\n    time_zone: Mars/Base", "time_zone", "IANA"),
        ("name: A shop", "name: A shop\n    locale: fi", "accounts[0](shop)", "fi"),
        ("name: A shop", "name: A shop\n    name: B", "line", "twice"),
        ("accounts:\n", "acounts:\n", "acounts", "remove it"),
    ],
)
def test_a_mistake_is_named_with_place_and_reason(
    old: str, new: str, place: str, reason: str
) -> None:
    assert old in ACCOUNTS
    with pytest.raises(BadCatalogue) as caught:
        parse_catalogue(ACCOUNTS.replace(old, new, 1), "accounts.yaml")
    message = str(caught.value)
    assert message.startswith("accounts.yaml: ")
    assert place in message
    assert reason in message


@pytest.mark.parametrize("text", ["", "[]", "accounts: []", "{", "\t- x", "accounts: 7"])
def test_what_is_no_catalogue_is_an_error(text: str) -> None:
    with pytest.raises(BadCatalogue):
        parse_catalogue(text, "accounts.yaml")


def test_a_mistake_does_not_tell_the_secrets_hash() -> None:
    with pytest.raises(BadCatalogue) as caught:
        parse_catalogue(ACCOUNTS.replace("secret_sha256: ", "secret_sha256: zz"), "accounts.yaml")
    assert "zz" not in str(caught.value)


def test_norwegian_is_a_language_and_no_boolean() -> None:
    text = ACCOUNTS.replace("languages: { zh: '你好' }", "languages: { zh: '你好', no: 'Hei' }")
    account = parse_catalogue(text, "accounts.yaml").accounts[0]
    assert account.newest["unapproved"].languages["no"] == "Hei"


def test_a_missing_file_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogue, match="YIZHAN_INGEST_ACCOUNTS_FILE"):
        load_catalogue(tmp_path / "none.yaml")


def test_the_demos_accounts_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadCatalogue, match="DEMO_KEY"):
        load_catalogue(DEMO)
    monkeypatch.setenv("DEMO_KEY", "demo-0a1b")
    monkeypatch.setenv("DEMO_SECRET_SHA256", "0" * 64)
    loaded = load_catalogue(DEMO)
    demo = loaded.account("demo")
    assert demo is not None
    assert "demo-0a1b-bench" in {key.key for key in seeded(loaded.accounts(), NOON)}
    for template in demo.templates:
        assert {"zh", "zh-hant", "en"} <= template.texts.keys()
        if template.id != "exam-score":
            assert len(template.texts) == 16
            assert template.voices.keys() in ({}.keys(), template.texts.keys())
