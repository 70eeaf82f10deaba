"""The table's file: what is read, and how each mistake is named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.errors import BadTable
from router.table_file import parse_table
from yizhan_contracts.events import (
    Lane,
    NetworkRoute,
    RoutingPolicy,
    SmppBind,
    SmppOptions,
    TemplateState,
)
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


RICH = """
channels:
  - channel: a
    carrier: acme
    carrier_account: acme-1
    protocol: http-json
    url: http://127.0.0.1:9
    draining: true
    unicode: false
    max_segments: 3
    countries:
      NO:
        price: 0.05
        networks:
          24201: { price: 0.06, priority: 20 }
        senders: { kinds: [alphanumeric, short-code], registered: [Yizhan, "2000"] }
      CN: { senders: { rewrite: "10690000" } }
    maintenance:
      - begins_at: 2026-11-22T02:00:00+08:00
        ends_at: 2026-11-22T04:00:00+08:00
        repeats: weekly
    needs_templates: true
    templates:
      picked-up@2: { code: SMS_1, variables: [name, code] }
      picked-up@2/zh-Hant: { code: SMS_2, state: pending }
"""


def test_what_a_carrier_allows_is_carried_over() -> None:
    (channel,) = parse_table(RICH.encode(), {}, NOW).channels
    assert (channel.draining, channel.unicode, channel.max_segments) == (True, False, 3)
    norway = channel.countries["NO"]
    assert norway.networks == {"24201": NetworkRoute(price=0.06, priority=20)}
    assert norway.senders.registered == ("Yizhan", "2000")
    assert channel.countries["CN"].senders.rewrite == "10690000"
    (window,) = channel.maintenance
    assert window.begins_at == datetime(2026, 11, 21, 18, tzinfo=UTC)
    assert channel.needs_templates
    assert channel.templates["picked-up@2"].variables == ("name", "code")
    assert channel.templates["picked-up@2/zh-Hant"].state is TemplateState.PENDING


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("24201:", "Telia:", "line 15: channels.a.countries.NO.networks.Telia: 'Telia' is no net"),
        ("priority: 20", "prio: 20", "line 15: channels.a.countries.NO.networks.24201.prio: "),
        ("kinds: [alpha", "kinds: [beta", "line 16: channels.a.countries.NO.senders.kinds.0: "),
        ('"2000"', '"+4790000000"', "line 16: channels.a.countries.NO.senders: registered: "),
        ('rewrite: "10', 'kinds: [numeric], rewrite: "10', "line 17: channels.a.countries.CN.send"),
        ("04:00:00", "01:00:00", "line 19: channels.a.maintenance.0: maintenance ends after"),
        ("2026-11-22T04:00:00+08:00", "2026-11-22 04:00:00", "channels.a.maintenance.0.ends_at: "),
        ("ends_at: 2026-11-22", "ends_at: 2026-11-30", "line 19: channels.a.maintenance.0: "),
        ("weekly", "monthly", "line 21: channels.a.maintenance.0.repeats: "),
        (
            "picked-up@2:",
            "picked-up:",
            "line 24: channels.a.templates.picked-up: 'picked-up' is no",
        ),
        ("[name, code]", "[name, name]", "line 24: channels.a.templates.picked-up@2: a variable"),
        ("pending", "refused", "line 25: channels.a.templates.picked-up@2/zh-Hant.state: "),
        ("max_segments: 3", "max_segments: 0", "line 10: channels.a.max_segments: "),
        ("draining: true", "draining: soon", "line 8: channels.a.draining: "),
    ],
)
def test_a_mistake_in_what_a_carrier_allows_is_named(old: str, new: str, expected: str) -> None:
    assert old in RICH
    with pytest.raises(BadTable) as raised:
        parse_table(RICH.replace(old, new, 1).encode(), {}, NOW)
    assert expected in str(raised.value)


RULES = """
rules:
  - { name: cheap-bulk, lanes: [bulk], categories: [notification], routing: cost }
  - { name: norway, accounts: [x, y], countries: [NO], shares: { a: 70 } }
  - { name: rest, routing: balanced }
"""


def test_rules_are_carried_over_in_their_order() -> None:
    bulk, norway, rest = parse_table((GOOD + RULES).encode(), ENVIRON, NOW).rules
    assert (bulk.lanes, bulk.categories) == ((Lane.BULK,), ("notification",))
    assert bulk.routing is RoutingPolicy.COST
    assert (norway.accounts, norway.countries, norway.shares) == (("x", "y"), ("NO",), {"a": 70})
    assert (rest.name, rest.routing) == ("rest", RoutingPolicy.BALANCED)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[bulk]", "[bulky]", "line 14: rules.cheap-bulk.lanes.0: "),
        ("routing: cost", "routing: luck", "line 14: rules.cheap-bulk.routing: "),
        (", routing: cost", "", "line 14: rules.cheap-bulk: a rule says routing, or shares"),
        ("a: 70", "a: 0", "line 15: rules.norway.shares.a: "),
        ("a: 70", "b: 70", "rule norway shares with no channel: b"),
        ("[NO]", "[Norway]", "line 15: rules.norway.countries.0: 'Norway' is no country"),
        ("rest, ", "norway, ", "rules that are there twice: norway"),
        (", accounts: [x, y], countries: [NO]", "", "rule norway is for all: no rule after it"),
    ],
)
def test_a_mistake_in_a_rule_is_named(old: str, new: str, expected: str) -> None:
    assert old in RULES
    assert expected in problem(GOOD + RULES.replace(old, new, 1))


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
        ("NO:", "Norway:", "line 9: channels.a.countries.Norway: 'Norway' is no country"),
        ("channel: a", "channel: A b", "line 3: channels.A b.channel: "),
        ("channel: a", "channel: none", "the name 'none' is taken"),
        (
            "number-invalid",
            "numbr-invalid",
            "line 11: channels.a.reasons.11: 'numbr-invalid' is no",
        ),
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
    table = parse_table(
        text,
        {"SIMULATORS_URL": "http://127.0.0.1:9", "SIMULATORS_SMPP_URL": "smpp://127.0.0.1:9"},
        NOW,
    )
    assert len(table.channels) >= 3


def test_every_country_of_the_demo_has_at_least_two_channels() -> None:
    text = (CONFIG / "channels.yaml").read_bytes()
    table = parse_table(
        text,
        {"SIMULATORS_URL": "http://127.0.0.1:9", "SIMULATORS_SMPP_URL": "smpp://127.0.0.1:9"},
        NOW,
    )
    countries = {country for c in table.channels for country in c.countries} - {"*"}
    real = [channel for channel in table.channels if not channel.test]
    assert len(countries) >= 30
    for country in countries:
        serving = [c for c in real if country in c.countries or "*" in c.countries]
        assert len(serving) >= 3, country


SMPP = """
channels:
  - channel: a
    carrier: acme
    carrier_account: acme-1
    protocol: smpp
    url: smpp://127.0.0.1:2775
    smpp: { system_id: yizhan, bind: transmitter-receiver, binds: 2, time_zone: Asia/Shanghai }
    countries: { NO: {} }
"""


def test_a_channel_may_speak_smpp() -> None:
    (channel,) = parse_table(SMPP.encode(), {}, NOW).channels
    assert channel.smpp == SmppOptions(
        system_id="yizhan", bind=SmppBind.PAIR, binds=2, time_zone="Asia/Shanghai"
    )
    assert channel.batch_max == 100
    (one,) = parse_table((SMPP + "    batch_max: 1\n").encode(), {}, NOW).channels
    assert one.batch_max == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("smpp://127.0.0.1:2775", "smpp://127.0.0.1", "smpp[s]://host:port"),
        ("smpp://127.0.0.1:2775", "http://127.0.0.1:1", "smpp[s]://host:port"),
        ("    smpp: {", "    # {", "needs smpp"),
        ("protocol: smpp\n", "protocol: none\n", "of no use"),
        ("binds: 2", "bindings: 2", "bindings"),
        ("binds: 2", "binds: 0", "binds"),
        ("binds: 2", "key_ref: KEY", "certificate_ref"),
        ("binds: 2", "ca_ref: /etc/ca.pem", "ca_ref"),
        ("Asia/Shanghai", "Beijing", "no time zone"),
    ],
)
def test_mistakes_of_an_smpp_channel_are_named(old: str, new: str, said: str) -> None:
    assert old in SMPP
    assert said in problem(SMPP.replace(old, new))
