"""Networks of mainland Chinese numbers, by their first digits."""

import pytest

from yizhan_telecom.networks import (
    CHINA_BROADNET,
    CHINA_MOBILE,
    CHINA_TELECOM,
    CHINA_UNICOM,
    network_of,
)


@pytest.mark.parametrize(
    ("start", "network"),
    [
        ("138", CHINA_MOBILE),
        ("1340", CHINA_MOBILE),
        ("1349", CHINA_TELECOM),
        ("130", CHINA_UNICOM),
        ("199", CHINA_TELECOM),
        ("192", CHINA_BROADNET),
        ("1700", CHINA_TELECOM),
        ("1703", CHINA_MOBILE),
        ("1709", CHINA_UNICOM),
        ("140", ""),
    ],
)
def test_the_first_digits_name_the_network(start: str, network: str) -> None:
    assert network_of("+86" + start.ljust(11, "0")) == network


@pytest.mark.parametrize("number", ["", "+86138", "+8613800000000" + "0", "+4915123456789", "138"])
def test_other_numbers_have_none(number: str) -> None:
    assert network_of(number) == ""
