"""The command line provisions the channels that the router will read out of the same file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.table_file import parse_table
from yizhan_cli.channels import channel_names

DEMO = Path(__file__).parents[2] / "deploy" / "config" / "channels.yaml"

ODD = b"""
channels:
  - {channel: no, carrier: a, carrier_account: b,
     protocol: none, test: true, countries: {NO: {}}}
  - {channel: '07', carrier: a, carrier_account: b,
     protocol: none, test: true, countries: {'*': {}}}
"""


@pytest.mark.parametrize("table", [DEMO.read_bytes(), ODD], ids=["demo", "odd-names"])
def test_both_read_the_same_names(table: bytes, tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_bytes(table)
    environ = {
        "SIMULATORS_URL": "http://127.0.0.1:1",
        "SIMULATORS_SMPP_URL": "smpp://127.0.0.1:2",
    }
    routed = parse_table(table, environ, datetime(2026, 11, 23, tzinfo=UTC))
    assert channel_names("", file) == sorted(one.channel for one in routed.channels)
