"""What is counted (yizhan_telecom) is what is sent (yizhan_smpp), and what is known is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_contracts.events import SmppAlphabet, SmppLongMessages
from yizhan_smpp.alphabets import Alphabet, encode_gsm7
from yizhan_smpp.constants import CODING_DEFAULT
from yizhan_smpp.parts import LongMessages, read, write
from yizhan_smpp.pdu import Message
from yizhan_telecom import segments

HARD = st.text(st.sampled_from("ab€[]\f\n`ç好😀éΩ\t e\u0301"), max_size=500)
NEAR_THE_EDGE = st.builds(
    lambda filler, size, rest: filler * size + rest,
    st.sampled_from(["a", "€", "好", "😀"]),
    st.integers(60, 320),
    HARD,
)


@given(HARD | NEAR_THE_EDGE | st.text(max_size=400))
def test_texts_are_cut_where_they_are_counted_to_be(text: str) -> None:
    text = text.encode("utf-16", "replace").decode("utf-16")
    written = write(text, Alphabet.GSM7, LongMessages.UDH, 1)
    parts = [
        read(Message("1", octets, esm_class=esm, data_coding=written.data_coding), Alphabet.GSM7)
        for esm, octets, _tlvs in written.parts
    ]
    assert written.segments == segments.segments(text)
    assert tuple(part.text for part in parts) == segments.split(text)
    is_gsm7 = segments.encoding_of(text) is segments.Encoding.GSM7
    assert (written.data_coding == CODING_DEFAULT) is is_gsm7


@pytest.mark.parametrize("char", sorted(segments.BASIC | segments.EXTENSION))
def test_both_know_the_same_alphabet(char: str) -> None:
    assert len(encode_gsm7(char)) == (2 if char in segments.EXTENSION else 1)


def test_words_of_the_contract_are_those_of_the_protocol() -> None:
    assert {*SmppAlphabet} == {*map(SmppAlphabet, Alphabet)}
    assert [*SmppLongMessages] == [SmppLongMessages(method) for method in LongMessages]
