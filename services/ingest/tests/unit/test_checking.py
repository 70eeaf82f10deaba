"""What a rendered text may say, and where it says what it may not."""

from collections.abc import Mapping

import pytest

from ingest.codes import Code
from ingest.content.checking import ContentRules, Rendered, check_template
from ingest.content.words import WordList
from ingest.rendering import fill
from ingest.templates.model import Category, Template

RULES = ContentRules(
    sensitive=WordList(["赌博", "casino"]),
    marketing=WordList(["限时抢购", "discount"]),
    by_account={"strict": WordList(["tomato"])},
)


def check(
    text: str,
    category: Category = Category.NOTIFICATION,
    account_id: str = "shop",
    fields: Mapping[str, object] | None = None,
    **values: str,
) -> list[tuple[Code, str, int | None]]:
    made = Template.model_validate(
        {
            "id": "t",
            "state": "approved",
            "category": category,
            "languages": {"en": text},
            "variables": fields or {name: {} for name in values},
        }
    )
    rendered = Rendered(account_id, made, "en", values, fill(text, values))
    return [(found.code, found.field, found.offset) for found in RULES.check(rendered)]


def test_a_plain_text_passes() -> None:
    assert check("[Shop] Parcel {a} has been shipped. Call 1.", a="DE1") == []


def test_a_sensitive_word_is_named_by_its_place() -> None:
    assert check("Go to {a} now", a="the Casino") == [
        (Code.CONTENT_SENSITIVE_WORD, "variables.a", 4)
    ]
    assert check("Casino {a}", a="x") == [(Code.CONTENT_SENSITIVE_WORD, "text", 0)]


def test_a_word_that_values_and_fixed_words_make_together_is_found() -> None:
    assert check("去{a}博", a="赌") == [(Code.CONTENT_SENSITIVE_WORD, "variables.a", 0)]
    assert check("{a}{b}", a="赌", b="博") == [(Code.CONTENT_SENSITIVE_WORD, "variables.a", 0)]


def test_an_accounts_own_list_holds_for_it_alone() -> None:
    assert check("A {a}", a="tomato") == []
    assert [code for code, _, _ in check("A {a}", account_id="strict", a="tomato")] == [
        Code.CONTENT_SENSITIVE_WORD
    ]


@pytest.mark.parametrize("category", [Category.NOTIFICATION, Category.VERIFICATION])
def test_only_marketing_may_advertise(category: Category) -> None:
    assert check("Hi {a}", category, a="限时抢购") == [(Code.CONTENT_MARKETING, "variables.a", 0)]
    assert check("Hi {a}", Category.MARKETING, a="限时抢购") == []


@pytest.mark.parametrize("category", list(Category))
def test_a_link_that_words_and_values_make_together_is_refused(category: Category) -> None:
    assert check("see {a}.com", category, a="evil") == [(Code.CONTENT_LINK, "variables.a", 3)]


def test_a_link_that_was_reviewed_may_go() -> None:
    assert check("see https://shop.example/{a} or shop.com", a="7") == []
    fields = {"a": {"type": "url", "hosts": ["shop.example"]}}
    assert check("see {a}", fields=fields, a="https://shop.example/7") == []


def test_a_verification_code_has_no_links_at_all() -> None:
    assert check("{a} https://shop.example", Category.VERIFICATION, a="7") == [
        (Code.CONTENT_LINK, "text", 2)
    ]


def test_every_broken_rule_is_named_and_the_text_is_not() -> None:
    codes = [code for code, _, _ in check("{a}", a="casino discount")]
    assert codes == [Code.CONTENT_SENSITIVE_WORD, Code.CONTENT_MARKETING]


def test_a_template_is_checked_before_it_is_reviewed() -> None:
    made = Template.model_validate(
        {
            "id": "t",
            "state": "draft",
            "languages": {"zh-CN": "限时抢购{a}", "en": "dis{a}count"},
            "variables": {"a": {}},
        }
    )
    found = check_template(RULES, "shop", made)
    assert [(refusal.code, refusal.field) for refusal in found] == [
        (Code.CONTENT_MARKETING, "languages.zh-CN")
    ]
