"""What a channel's configuration allows: senders, templates, texts, maintenance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from yizhan_contracts.events import (
    CarrierTemplate,
    ChannelConfigured,
    CountryRoute,
    MaintenanceWindow,
    Protocol,
    Repeats,
    SenderKind,
    SenderRules,
    TemplateState,
    TemplateUse,
)
from yizhan_telecom.channel_rules import (
    kind_of,
    maintenance_until,
    sender_in,
    sender_refusal,
    template_in,
    template_refusal,
    text_refusal,
)

BEGIN = datetime(2026, 11, 22, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def channel(senders: SenderRules | None = None, **values: Any) -> ChannelConfigured:
    routes = {"GB": CountryRoute(senders=senders or SenderRules()), "*": CountryRoute()}
    return ChannelConfigured(
        channel="a",
        carrier="a",
        carrier_account="a",
        protocol=Protocol.HTTP_JSON,
        countries=routes,
        configured_at=BEGIN,
        **values,
    )


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("Yizhan", SenderKind.ALPHANUMERIC),
        ("123abc", SenderKind.ALPHANUMERIC),
        ("驿站", SenderKind.ALPHANUMERIC),
        ("72345", SenderKind.SHORT_CODE),
        ("12", SenderKind.NUMERIC),
        ("106900001234", SenderKind.NUMERIC),
        ("+447700900123", SenderKind.NUMERIC),
    ],
)
def test_a_sender_is_of_one_kind(sender: str, kind: SenderKind) -> None:
    assert kind_of(sender) is kind


def test_the_countrys_sender_wins_over_the_channels_and_that_over_what_was_asked() -> None:
    rewriting = SenderRules(rewrite="447")
    assert sender_in(channel(rewriting, sender="72345"), "GB", "Yizhan") == "447"
    assert sender_in(channel(rewriting, sender="72345"), "FR", "Yizhan") == "72345"
    assert sender_in(channel(), "GB", "Yizhan") == "Yizhan"


def test_a_sender_of_another_kind_is_refused_there_and_only_there() -> None:
    short = channel(SenderRules(kinds=(SenderKind.SHORT_CODE,)))
    assert sender_refusal(short, "GB", "Yizhan") == "takes no alphanumeric sender in GB"
    assert not sender_refusal(short, "GB", "72345")
    assert not sender_refusal(short, "FR", "Yizhan")


def test_a_sender_that_is_not_registered_is_refused() -> None:
    registered = channel(SenderRules(registered=("Lumiere",)))
    assert sender_refusal(registered, "GB", "Yizhan") == "the sender is not registered for GB"
    assert not sender_refusal(registered, "GB", "Lumiere")


def test_what_is_rewritten_is_taken_whatever_was_asked() -> None:
    rules = SenderRules(kinds=(SenderKind.SHORT_CODE,), registered=("72345",), rewrite="72345")
    assert not sender_refusal(channel(rules), "GB", "Yizhan")
    own = SenderRules(registered=("72345",))
    assert not sender_refusal(channel(own, sender="72345"), "GB", "Yizhan")


def test_only_an_approved_template_is_taken_where_templates_are_wanted() -> None:
    templates = {
        "picked-up@2": CarrierTemplate(code="T2"),
        "picked-up@2/de": CarrierTemplate(code="T2DE", state=TemplateState.PENDING),
    }
    strict = channel(needs_templates=True, templates=templates)
    english, german = use(2, "en"), use(2, "de")
    assert template_in(strict, english) == CarrierTemplate(code="T2")
    assert not template_refusal(strict, english)
    assert template_refusal(strict, german) == "its template for picked-up@2/de is pending"
    assert template_refusal(strict, use(3, "en")) == "has no template for picked-up@3/en"
    assert template_refusal(strict, None) == "takes templates only, and the message has none"
    assert not template_refusal(channel(), None)


def use(version: int, language: str) -> TemplateUse:
    return TemplateUse(template_id="picked-up", version=version, language=language)


def test_a_text_is_refused_for_its_alphabet_or_its_length() -> None:
    assert text_refusal(channel(unicode=False), "驿站") == "takes GSM-7 texts only"
    assert not text_refusal(channel(unicode=False), "{ok}")
    assert text_refusal(channel(max_segments=2), "x" * 307) == "takes 2 segments at most, not 3"
    assert not text_refusal(channel(max_segments=2), "x" * 306)


@pytest.mark.parametrize(
    ("repeats", "passed", "is_on"),
    [
        (Repeats.NEVER, -timedelta(seconds=1), False),
        (Repeats.NEVER, timedelta(0), True),
        (Repeats.NEVER, 2 * HOUR, False),
        (Repeats.NEVER, 24 * HOUR, False),
        (Repeats.DAILY, 25 * HOUR, True),
        (Repeats.DAILY, 26 * HOUR, False),
        (Repeats.DAILY, -24 * HOUR, False),
        (Repeats.WEEKLY, 25 * HOUR, False),
        (Repeats.WEEKLY, 7 * 24 * HOUR, True),
    ],
)
def test_maintenance_comes_back(repeats: Repeats, passed: timedelta, is_on: bool) -> None:  # noqa: FBT001 - a case
    window = MaintenanceWindow(begins_at=BEGIN, ends_at=BEGIN + 2 * HOUR, repeats=repeats)
    until = maintenance_until(channel(maintenance=(window,)), BEGIN + passed)
    assert (until is not None) is is_on
    if until is not None:
        assert BEGIN + passed < until <= BEGIN + passed + 2 * HOUR
