"""chargingNum: S3's table and its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_telecom.charging import charging_num


@pytest.mark.parametrize(
    ("text", "billed"),
    [
        ("", 1),
        ("a" * 70, 1),
        ("a" * 71, 2),
        ("a" * 134, 2),
        ("a" * 135, 3),
        ("a" * 201, 3),
        ("a" * 202, 4),
        ("【驿站】" + "好" * 66, 1),
        ("【驿站】" + "好" * 67, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("好" * 69 + "😀", 2),
        ("€" * 70, 1),
    ],
)
def test_billed_as_the_interface_says(text: str, billed: int) -> None:
    assert charging_num(text) == billed


@given(st.text(max_size=600))
def test_counts_utf16_code_units_whatever_the_alphabet(text: str) -> None:
    units = len(text.encode("utf-16-le")) // 2
    assert charging_num(text) == (1 if units <= 70 else (units + 66) // 67)
