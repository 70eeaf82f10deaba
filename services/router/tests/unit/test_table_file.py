"""The table's file: what is read, and how each mistake is named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.errors import BadTable
from router.table_file import parse_table
from yizhan_contracts.reasons import Reason

NOW = datetime(2026, 11, 23, tzinfo=UTC)
GOOD = """
channels:
  - channel: a
    carrier: acme
    carrier_account: acme-1
    protocol: http-json
    url: ${BASE}/a
    countries:
      NO: { price: 0.05, priority: 10 }
      883: { price: 1 }
    reasons: { 000: "", 11: number-invalid }
"""
ENVIRON = {"BASE": "http://127.0.0.1:9"}
CONFIG = Path(__file__).parents[4] / "deploy" / "config"


def problem(text: str) -> str:
    with pytest.raises(BadTable) as raised:
        parse_table(text.encode(), ENVIRON, NOW)
    return str(raised.value)


def test_a_good_table_becomes_channels() -> None:
    table = parse_table(GOOD.encode(), ENVIRON, NOW)
    (channel,) = table.channels
    assert channel.url == "http://127.0.0.1:9/a"
    assert channel.table_version == table.version
    assert channel.configured_at == NOW


def test_keys_are_as_written() -> None:
    (channel,) = parse_table(GOOD.encode(), ENVIRON, NOW).channels
    assert set(channel.countries) == {"NO", "883"}
    assert channel.reasons == {"000": Reason.NONE, "11": Reason.NUMBER_INVALID}


def test_the_version_is_that_of_the_bytes() -> None:
    one, two = (parse_table(text.encode(), ENVIRON, NOW).version for text in (GOOD, GOOD + "#"))
    assert one != two


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("priority: 10", "priority: high", "line 9: channels.a.countries.NO.priority: "),
        ("price: 0.05", "price: -1", "line 9: channels.a.countries.NO.price: "),
        ("price: 0.05", "price: .nan", "line 9: channels.a.countries.NO.price: "),
        ("carrier: acme\n", "carier: acme\n", "line 4: channels.a.carier: "),
        ("NO:", "Norway:", "line 3: channels.a: 'Norway' is no country"),
        ("channel: a", "channel: A b", "line 3: channels.A b.channel: "),
        ("channel: a", "channel: none", "the name 'none' is taken"),
        ("number-invalid", "numbr-invalid", "'11' is translated to 'numbr-invalid'"),
        ("${BASE}", "${MISSING}", "line 7: ${MISSING} is not set"),
        ("${BASE}/a", "ftp://x", "line 3: channels.a: a channel that speaks http-json needs"),
        ("price: 1 }", "price: 1", "line 11: "),
        (
            "    carrier: acme\n",
            "    carrier: acme\n    carrier: x\n",
            "line 5: 'carrier' is there",
        ),
        ("http-json", "smoke-signals", "line 6: channels.a.protocol: "),
    ],
)
def test_a_mistake_is_named_with_line_and_reason(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert expected in problem(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "[]", "channels:", "channels: 3", "just words", "a: b: c"])
def test_what_is_no_table_is_refused(text: str) -> None:
    assert problem(text)


def test_a_value_that_contains_itself_is_refused() -> None:
    assert problem("channels: &c [*c]")


def test_a_name_that_is_there_twice_is_refused() -> None:
    twice = GOOD + GOOD.replace("\nchannels:\n", "")
    assert "there twice: a" in problem(twice)


def test_prices_are_in_one_currency() -> None:
    other = GOOD.replace("\nchannels:\n", "").replace("channel: a", "channel: b")
    text = GOOD + other.replace("    url", "    currency: CNY\n    url")
    assert "in one currency, not in CNY, EUR" in problem(text)


def test_a_mistake_under_a_merged_key_is_found_where_it_was_made() -> None:
    text = GOOD.replace("- channel: a", "- &a\n    channel: a")
    text += "  - <<: *a\n    channel: b\n    window: 0\n"
    assert problem(text).startswith("line 15: channels.b.window: ")


def test_mistakes_do_not_show_what_may_be_secret() -> None:
    assert "hunter2" not in problem(GOOD.replace("carrier_account: acme-1", "secret_ref: hunter 2"))


@pytest.mark.parametrize("file", ["channels.yaml", "bench/channels.yaml"])
def test_the_tables_that_come_with_the_house_are_good(file: str) -> None:
    text = (CONFIG / file).read_bytes()
    table = parse_table(text, {"SIMULATORS_URL": "http://127.0.0.1:9"}, NOW)
    assert len(table.channels) >= 3


def test_every_country_of_the_demo_has_at_least_two_channels() -> None:
    text = (CONFIG / "channels.yaml").read_bytes()
    table = parse_table(text, {"SIMULATORS_URL": "http://127.0.0.1:9"}, NOW)
    countries = {country for c in table.channels for country in c.countries} - {"*"}
    real = [channel for channel in table.channels if not channel.test]
    assert len(countries) >= 30
    for country in countries:
        serving = [c for c in real if country in c.countries or "*" in c.countries]
        assert len(serving) >= 3, country
