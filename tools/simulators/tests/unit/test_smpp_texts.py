"""What travels in short_message, read and written by the simulated carrier."""

from random import Random

import pytest

from yizhan_simulators.behaviour import CarrierBehaviour
from yizhan_simulators.carriers.handed import Receipt
from yizhan_simulators.revision import Invalid, revise
from yizhan_simulators.smpp.receipts import receipt_pdu
from yizhan_simulators.smpp.shapes import SHAPES
from yizhan_simulators.smpp.statuses import status_of
from yizhan_simulators.smpp.texts import decode_text, read_text, write_text
from yizhan_smpp.constants import CODING_UCS2, ESM_UDH, TAG_MESSAGE_STATE
from yizhan_smpp.pdu import Message

GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€\f"


def read_back(text: str) -> str:
    parts = write_text(text, 7)
    messages = [
        Message(destination="1", short_message=octets, esm_class=esm_class, data_coding=coding)
        for esm_class, coding, octets in parts
    ]
    return "".join(read_text(message).text for message in messages)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (GSM, 1), ("x" * 160, 1), ("x" * 161, 2), ("€" * 80, 1), ("€" * 81, 2),
        ("a" * 152 + "€" + "b" * 152, 3), ("好" * 70, 1), ("好" * 71, 2), ("😀" * 67, 3), ("", 1),
    ],
)  # fmt: skip
def test_a_text_is_read_back_as_it_was_written(text: str, parts: int) -> None:
    assert read_back(text) == text
    assert len(write_text(text, 1)) == parts


def test_any_text_is_read_back() -> None:
    drawn = Random(3)
    for _ in range(300):
        alphabet = GSM if drawn.random() < 0.5 else GSM + "好😀é́"
        text = "".join(drawn.choice(alphabet) for _ in range(drawn.randrange(400)))
        assert read_back(text) == text


def test_what_an_alphabet_does_not_have_shows() -> None:
    assert decode_text(b"a\x1b", 0) == "a\ufffd"
    assert decode_text(b"\x1b\x41b", 0) == "\ufffdb"
    assert decode_text(b"\xd8\x3d", CODING_UCS2) == "\ufffd"
    assert decode_text(b"caf\xe9", 3) == "café"


@pytest.mark.parametrize("header", [b"\5\0\3\1", b"\0", b"\3\x24\1\1", b"\xff", b"\2\0\3"])
def test_a_header_that_says_nothing_of_parts_is_left_out(header: bytes) -> None:
    message = Message(destination="1", short_message=header + b"abc", esm_class=ESM_UDH)

    assert read_text(message).total == 1


def receipt(state: str = "delivered", code: str = "000") -> Receipt:
    return Receipt(
        "alpha", 0, "1a2b", 0, None, "+4915", state, code, due=1.8e9, early=False, callback=""
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_names_id_and_state(shape: str) -> None:
    behaviour = revise(
        CarrierBehaviour(), {"smpp": {"receipt_text": shape, "receipt_ids": "upper"}}
    )
    written = receipt_pdu(receipt("expired"), behaviour.smpp)

    assert b"1A2B" in written.short_message
    assert b"EXPIRED" in written.short_message
    assert written.tlvs[TAG_MESSAGE_STATE] == b"\3"


def test_a_vendors_word_stands_in_stat() -> None:
    behaviour = revise(CarrierBehaviour(), {"smpp": {"receipt_text": "no-dates"}})
    written = receipt_pdu(receipt("failed", "MK:0001"), behaviour.smpp)

    assert written.short_message == b"id:1a2b stat:MK:0001 err:001"


@pytest.mark.parametrize("shape", ["nonsense", "{id} {nonsense}", "{id} {", "{id} {0}"])
def test_a_shape_that_cannot_be_filled_is_refused(shape: str) -> None:
    with pytest.raises(Invalid) as invalid:
        revise(CarrierBehaviour(), {"smpp": {"receipt_text": shape}})

    assert invalid.value.problems[0].field == "smpp.receipt_text"


@pytest.mark.parametrize(
    ("code", "status"),
    [("11", 11), ("0x0B", 11), ("MK:1", 0x45), ("0", 0x45), ("-1", 0x45), ("bad-number", 0x0B)],
)
def test_codes_are_statuses_where_they_can_be(code: str, status: int) -> None:
    assert status_of(code) == status
