"""Alphabets, long messages and receipts: the hard cases."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_smpp import constants as c
from yizhan_smpp import times
from yizhan_smpp.alphabets import (
    Alphabet,
    decode,
    decode_gsm7,
    decode_ucs2,
    encode_gsm7,
    encode_ucs2,
)
from yizhan_smpp.parts import LongMessages, Place, Received, Written, read, write
from yizhan_smpp.pdu import Message
from yizhan_smpp.receipts import MessageState, Receipt, canonical, is_receipt, moment, parse

GSM7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
METHODS = [LongMessages.UDH, LongMessages.SAR]


def messages(written: Written) -> list[Message]:
    return [
        Message("1", octets, esm_class=esm, data_coding=written.data_coding, tlvs=tlvs)
        for esm, octets, tlvs in written.parts
    ]


def read_again(written: Written, default: Alphabet) -> str:
    return "".join(read(message, default).text for message in messages(written))


@given(st.text(GSM7))
def test_gsm7_is_read_as_it_was_written(text: str) -> None:
    assert decode_gsm7(encode_gsm7(text)) == text


@pytest.mark.parametrize("char", ["`", "\t", "ç", "😀", "\x1b", "Ж", "\u20ac\u0301", "\x80"])
def test_what_gsm7_lacks_is_told(char: str) -> None:
    with pytest.raises(ValueError, match="alphabet"):
        encode_gsm7(f"a{char}b")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x00\x11\x1be", "@_€"),
        (b"a\x1b", "a "),
        (b"a\x1b\x1bb", "a b"),
        (b"\x1bA", "A"),
        (b"\x80\xff", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_gsm7_octets_are_read_whatever_they_are(octets: bytes, text: str) -> None:
    assert decode_gsm7(octets) == text


@given(st.text())
def test_ucs2_is_read_as_it_was_written(text: str) -> None:
    kept = "".join("?" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert decode_ucs2(encode_ucs2(text)) == kept.removeprefix("\ufeff")


@given(st.binary(max_size=300), st.integers(0, 255), st.sampled_from(Alphabet))
def test_no_octets_in_any_coding_fail(octets: bytes, coding: int, default: Alphabet) -> None:
    assert isinstance(decode(octets, coding, default), str)


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0x00, b"\x00", "@"),
        (0x01, b"A", "A"),
        (0x03, b"\xe9", "é"),
        (0x08, b"\x59\x7d", "好"),
        (0x11, b"\x00", "@"),
        (0x18, b"\x59\x7d", "好"),
        (0xF1, b"\x00", "@"),
        (0xF5, b"\xe9", "é"),
    ],
)
def test_each_coding_has_its_alphabet(coding: int, octets: bytes, text: str) -> None:
    assert decode(octets, coding, Alphabet.GSM7) == text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 306, [153, 153]),
        ("a" * 307, [153, 153, 1]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),
        ("a" * 152 + "€" + "b" * 152, [152, 153, 1]),
        ("a" * 151 + "€" + "b" * 152, [153, 152]),
        ("[" * 1 + "a" * 159, [153, 8]),
        ("好" * 70, [140]),
        ("好" * 71, [134, 8]),
        ("好" * 66 + "😀" + "好" * 66, [132, 134, 2]),
        ("好" * 65 + "😀" + "好" * 67, [134, 134]),
        ("😀" * 35, [140]),
        ("😀" * 67, [132, 132, 4]),
        ("e\u0301" * 35, [140]),
        ("", [0]),
    ],
)
def test_no_cut_parts_what_belongs_together(
    method: LongMessages, text: str, lengths: list[int]
) -> None:
    written = write(text, Alphabet.GSM7, method, 7)
    header = 6 if method is LongMessages.UDH and len(lengths) > 1 else 0
    assert [len(octets) - header for _esm, octets, _tlvs in written.parts] == lengths
    assert written.segments == len(lengths)
    assert read_again(written, Alphabet.GSM7) == text


@given(
    st.text(st.sampled_from("aé€[{好😀ç \n"), max_size=700),
    st.sampled_from(Alphabet),
    st.sampled_from(LongMessages),
    st.integers(0, 0xFFFF),
)
def test_any_text_is_put_together_again(
    text: str, default: Alphabet, method: LongMessages, reference: int
) -> None:
    written = write(text, default, method, reference)
    assert read_again(written, default) == text
    places = [read(message, default).place for message in messages(written)]
    if len(places) > 1:
        kept = reference & (0xFF if method is LongMessages.UDH else 0xFFFF)
        total = len(places)
        assert places == [Place(kept, total, number + 1) for number in range(total)]
    else:
        assert places == [None]
    for _esm, octets, _tlvs in written.parts:
        assert len(octets) <= 160


def test_the_header_of_a_part_is_that_of_the_standard() -> None:
    written = write("a" * 161, Alphabet.GSM7, LongMessages.UDH, 0x1AB)
    assert [(esm, octets[:7]) for esm, octets, _ in written.parts] == [
        (0x40, bytes.fromhex("050003ab020161")),
        (0x40, bytes.fromhex("050003ab020261")),
    ]


def test_a_payload_is_whole_and_says_how_many_parts_it_makes() -> None:
    written = write("a" * 400, Alphabet.GSM7, LongMessages.PAYLOAD, 1)
    assert (len(written.parts), written.segments) == (1, 3)
    assert written.parts[0][2] == {c.TAG_PAYLOAD: b"a" * 400}


def test_latin_1_is_cut_by_septets_and_what_it_lacks_is_ucs2() -> None:
    bracketed = write("[" * 81, Alphabet.LATIN1, LongMessages.SAR, 1)
    assert (bracketed.data_coding, [octets for _, octets, _ in bracketed.parts]) == (
        0,
        [b"[" * 76, b"[" * 5],
    )
    assert write("é€", Alphabet.LATIN1, LongMessages.UDH, 1).data_coding == c.CODING_UCS2


def test_a_text_of_too_many_parts_is_refused() -> None:
    assert write("a" * 153 * 255, Alphabet.GSM7, LongMessages.UDH, 1).segments == 255
    with pytest.raises(ValueError, match="255"):
        write("a" * (153 * 255 + 1), Alphabet.GSM7, LongMessages.UDH, 1)


@pytest.mark.parametrize(
    ("octets", "received"),
    [
        ("06 08 04 1234 03 02 61", Received("a", Place(0x1234, 3, 2))),
        ("05 00 03 07 02 02 61", Received("a", Place(7, 2, 2))),
        ("0b 05 04 0b84 23f0 00 03 07 02 01 61", Received("a", Place(7, 2, 1))),
        ("05 00 03 07 02 03 61", Received("a")),
        ("05 00 03 07 02 00 61", Received("a")),
        ("05 00 03 07 01 01 61", Received("a")),
        ("05 00 ff 07 02 01 61", Received("a")),
        ("ff 00 03", Received("")),
        ("00 61", Received("a")),
    ],
)
def test_headers_are_read_whatever_they_hold(octets: str, received: Received) -> None:
    message = Message("1", bytes.fromhex(octets), esm_class=c.ESM_UDH)
    assert read(message, Alphabet.GSM7) == received


@given(st.binary(max_size=254), st.integers(0, 255), st.integers(0, 255))
def test_no_message_fails_to_be_read(octets: bytes, esm: int, coding: int) -> None:
    message = Message("1", octets, esm_class=esm, data_coding=coding)
    assert isinstance(read(message, Alphabet.GSM7), Received)
    receipt = parse(message)
    assert receipt is None or receipt.parameter_id or receipt.text_id


TEXT = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2611231900 done date:2611231901 stat:DELIVRD "
    "err:000 text:id:evil stat:UNDELIV"
)
DELIVERED = Receipt(MessageState.DELIVERED, text_id="0123456789", done="2611231901", word="DELIVRD")


def receipt(text: str, tlvs: dict[int, bytes] | None = None) -> Receipt | None:
    return parse(Message("1", text.encode(), esm_class=c.ESM_RECEIPT, tlvs=tlvs or {}))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.upper().replace("EVIL", "evil"),
        TEXT.replace("submit date", "submitdate").replace("done date", "donedate"),
        TEXT.replace("done date", "done_date"),
        TEXT.replace(":", ": ", 7),
        TEXT.replace(":", " : ", 7),
        TEXT.replace(" ", "   ")
        .replace("submit   date", "submit date")
        .replace("done   date", "done date"),
        "stat:DELIVRD done date:2611231901 id:0123456789 text:",
        "id:0123456789 stat:delivrd done date:2611231901",
        "id:0123456789 sub: dlvrd: submit date: done date:2611231901 stat:DELIVRD err: text:",
        "id:0123456789\nsub:001\ndone date:2611231901\nstat:DELIVRD\nerr:0\n",
        "id:0123456789,done date:2611231901,stat:DELIVRD",
    ],
)
def test_a_receipt_is_read_in_every_shape_of_its_text(text: str) -> None:
    assert receipt(text) == DELIVERED


def test_parameters_come_before_the_text() -> None:
    tlvs = {
        c.TAG_RECEIPTED_MESSAGE_ID: b"1A2B\0",
        c.TAG_MESSAGE_STATE: b"\x05",
        c.TAG_NETWORK_ERROR: b"\x03\x00\x0b",
    }
    assert receipt(TEXT, tlvs) == Receipt(
        MessageState.UNDELIVERABLE, "1A2B", "0123456789", "11", "2611231901", "DELIVRD"
    )
    bare = Message("1", esm_class=c.ESM_RECEIPT, tlvs=tlvs)
    assert parse(bare) == Receipt(MessageState.UNDELIVERABLE, "1A2B", error="11", word="UNDELIV")


@pytest.mark.parametrize(("number", "state"), list(enumerate(MessageState, start=1)), ids=str)
def test_states_are_numbered_as_the_specification_does(number: int, state: MessageState) -> None:
    assert receipt("id:1", {c.TAG_MESSAGE_STATE: bytes((number,))}) == Receipt(
        state, text_id="1", word=state.value
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("err:000", ""),
        ("err:0", ""),
        ("err:011", "11"),
        ("err:00A", "A"),
        ("err:MK:0001", "MK:0001"),
    ],
)
def test_error_codes_are_without_leading_zeros(text: str, error: str) -> None:
    found = receipt(f"id:1 stat:UNDELIV {text}")
    assert found is not None
    assert found.error == error


def test_a_word_nobody_knows_is_unknown_and_kept() -> None:
    assert receipt("id:1 stat:WHATEVR") == Receipt(
        MessageState.UNKNOWN, text_id="1", word="WHATEVR"
    )


@pytest.mark.parametrize("text", ["", "hello", "id:", "id: stat:DELIVRD", "stat:DELIVRD", "id:5"])
def test_what_names_no_message_or_no_state_is_no_receipt(text: str) -> None:
    assert receipt(text) is None


def test_a_receipt_in_a_payload_or_in_ucs2_is_read() -> None:
    payload = Message("1", esm_class=c.ESM_RECEIPT, tlvs={c.TAG_PAYLOAD: TEXT.encode()})
    assert parse(payload) == DELIVERED
    wide = Message("1", encode_ucs2(TEXT), esm_class=c.ESM_RECEIPT, data_coding=8)
    assert parse(wide) == DELIVERED


def test_a_handset_cannot_write_a_receipt() -> None:
    assert not is_receipt(Message("1", TEXT.encode()))
    assert not is_receipt(Message("1", TEXT.encode(), esm_class=c.ESM_UDH))
    assert is_receipt(Message("1", TEXT.encode(), esm_class=c.ESM_RECEIPT | c.ESM_UDH))
    assert is_receipt(Message("1", esm_class=c.ESM_INTERMEDIATE))
    assert is_receipt(Message("1", tlvs={c.TAG_RECEIPTED_MESSAGE_ID: b"1\0"}))


@pytest.mark.parametrize(
    ("message_id", "base", "form"),
    [
        ("00AB", 0, "ab"),
        ("000", 0, "0"),
        ("7fFF", 16, "32767"),
        ("0000032767", 10, "32767"),
        ("99AA", 10, "99aa"),
        ("no-Number", 16, "no-Number"),
        ("XYZ", 16, "XYZ"),
        ("0A1B-00C2", 16, "0a1b-00c2"),
        ("", 16, ""),
        ("\u0663", 10, "\u0663"),
    ],
)
def test_ids_are_compared_without_case_and_zeros(message_id: str, base: int, form: str) -> None:
    assert canonical(message_id, base=base) == form


def test_times_are_of_the_zone_that_is_named() -> None:
    at = moment("2611231901", ZoneInfo("Asia/Shanghai"))
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 11, 23, 11, 1, tzinfo=UTC)
    assert moment("261123190102", UTC) == datetime(2026, 11, 23, 19, 1, 2, tzinfo=UTC)
    assert moment("20261123190102", UTC) == datetime(2026, 11, 23, 19, 1, 2, tzinfo=UTC)
    assert [moment(text, UTC) for text in ("", "9999999999", "today", "²²²²²²²²²²")] == [None] * 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "000000000001000R"),
        (3_661, "000000010101000R"),
        (86_400, "000001000000000R"),
        (10**9, "000030235959000R"),
    ],
)
def test_a_validity_is_written_from_now_on(seconds: int, text: str) -> None:
    assert times.relative(seconds) == text
