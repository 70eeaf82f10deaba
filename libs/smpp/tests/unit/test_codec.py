import dataclasses
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yizhan_smpp import constants as c
from yizhan_smpp.decoding import decode
from yizhan_smpp.encoding import encode
from yizhan_smpp.errors import EncodeError, MalformedError
from yizhan_smpp.framing import frames
from yizhan_smpp.pdu import Bind, Body, Bound, Message, Pdu, Query, QueryResult, Taken

octet = st.integers(0, 255)
sequence = st.integers(0, 0xFFFFFFFF)
tlvs = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300), max_size=5)


def text(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=most)


messages = st.builds(
    Message,
    destination=text(20),
    short_message=st.binary(max_size=254),
    source=text(20),
    source_ton=octet,
    source_npi=octet,
    destination_ton=octet,
    destination_npi=octet,
    service_type=text(5),
    esm_class=octet,
    protocol_id=octet,
    priority=octet,
    schedule=text(16),
    validity=text(16),
    registered_delivery=octet,
    replace_if_present=octet,
    data_coding=octet,
    default_message_id=octet,
    tlvs=tlvs,
)
data_messages = st.builds(
    Message,
    destination=text(64),
    source=text(64),
    source_ton=octet,
    source_npi=octet,
    destination_ton=octet,
    destination_npi=octet,
    service_type=text(5),
    esm_class=octet,
    registered_delivery=octet,
    data_coding=octet,
    tlvs=tlvs,
)
binds = st.builds(Bind, text(15), text(64), text(12), octet, octet, octet, address_range=text(40))
bodies: dict[int, st.SearchStrategy[Body]] = {
    c.SUBMIT_SM: messages,
    c.DELIVER_SM: messages,
    c.DATA_SM: data_messages,
    c.SUBMIT_SM_RESP: st.builds(Taken, text(64), tlvs),
    c.DELIVER_SM_RESP: st.builds(Taken, text(64), tlvs),
    c.DATA_SM_RESP: st.builds(Taken, text(64), tlvs),
    c.BIND_TRANSCEIVER: binds,
    c.BIND_RECEIVER: binds,
    c.BIND_TRANSMITTER: binds,
    c.BIND_TRANSCEIVER | c.ANSWER: st.builds(Bound, text(15), tlvs),
    c.QUERY_SM: st.builds(Query, text(64), text(20), octet, octet),
    c.QUERY_SM | c.ANSWER: st.builds(QueryResult, text(64), text(16), octet, octet),
    c.ENQUIRE_LINK: st.none(),
    c.ENQUIRE_LINK_RESP: st.none(),
    c.UNBIND: st.none(),
    c.UNBIND_RESP: st.none(),
    c.GENERIC_NACK: st.none(),
}
pdus = st.sampled_from(sorted(bodies)).flatmap(
    lambda command: st.builds(Pdu, st.just(command), st.integers(0, 255), sequence, bodies[command])
)


@given(pdus)
def test_what_is_written_is_read_again(pdu: Pdu) -> None:
    octets = encode(pdu.command, pdu.sequence, pdu.body, pdu.status)
    assert decode(octets) == pdu


@given(pdus, st.data())
def test_a_pdu_that_is_cut_short_is_malformed(pdu: Pdu, data: st.DataObject) -> None:
    octets = encode(pdu.command, pdu.sequence, pdu.body, pdu.status)
    cut = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(MalformedError):
        decode(octets[:cut])


@given(st.sampled_from([*bodies, 0, 0x21, 0x102, 0xDEADBEEF]), st.binary(max_size=600))
def test_no_octets_do_more_than_be_malformed(command: int, octets: bytes) -> None:
    head = (16 + len(octets)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(8)
    with suppress(MalformedError):
        assert decode(head + octets).command == command


@given(messages, st.data())
def test_a_flipped_octet_is_read_or_malformed(message: Message, data: st.DataObject) -> None:
    octets = bytearray(encode(c.DELIVER_SM, 7, message))
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(16, len(octets) - 1))] = data.draw(octet)
    with suppress(MalformedError):
        assert decode(bytes(octets)).sequence == 7


@given(st.lists(pdus, max_size=6), st.data())
def test_pdus_are_found_however_a_connection_cuts_them(
    sent: list[Pdu], data: st.DataObject
) -> None:
    stream = b"".join(encode(p.command, p.sequence, p.body, p.status) for p in sent)
    found: list[Pdu] = []
    rest = b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        rest, stream = rest + stream[:size], stream[size:]
        whole, start, is_broken = frames(rest)
        assert not is_broken
        for _command, _status, _sequence, begin, end in whole:
            found.append(decode(rest[begin - 16 : end]))
        rest = rest[start:]
    assert rest == b""
    assert found == sent


@given(st.integers(0, 15) | st.integers(70_001, 0xFFFFFFFF))
def test_a_length_that_no_pdu_has_breaks_the_stream_and_not_what_came_before(length: int) -> None:
    good = encode(c.ENQUIRE_LINK, 1)
    found, start, is_broken = frames(good + length.to_bytes(4, "big") + bytes(12))
    assert (len(found), start, is_broken) == (1, 16, True)


@pytest.mark.parametrize(
    "message",
    [
        Message("1" * 21),
        Message("49\x0051"),
        Message("491", b"x" * 255),
        Message("491", source="Ж"),
        Message("491", validity="0" * 17),
        Message("491", source_ton=256),
        Message("491", esm_class=-1),
        Message("491", tlvs={0x0424: bytes(65_536)}),
        Message("491", tlvs={0x10000: b""}),
        Message("491", service_type="sixsix"),
    ],
)
def test_a_field_that_does_not_fit_is_not_written(message: Message) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(c.SUBMIT_SM, 1, message)
    assert "491" not in str(caught.value)


def test_an_octet_that_no_field_holds_is_told_from_a_two_octet_character() -> None:
    with pytest.raises(EncodeError):
        encode(c.SUBMIT_SM, 1, Message("491", data_coding=0x100))


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\0" * 16 + b"\5abc", c.INVALID_MESSAGE_LENGTH),
        (b"x" * 40, c.INVALID_COMMAND_LENGTH),
        (b"\0" * 16 + b"\3abc" + b"\4", c.INVALID_PARAMETERS),
        (b"\0" * 16 + b"\3abc" + b"\4\x24\0\5abcd", c.INVALID_PARAMETER_LENGTH),
    ],
)
def test_each_fault_has_its_status(octets: bytes, status: int) -> None:
    head = (16 + len(octets)).to_bytes(4, "big") + c.SUBMIT_SM.to_bytes(4, "big") + bytes(8)
    with pytest.raises(MalformedError) as caught:
        decode(head + octets)
    assert caught.value.status == status


def test_an_unknown_command_is_named_as_such() -> None:
    head = (16).to_bytes(4, "big") + (0x7777).to_bytes(4, "big") + bytes(8)
    with pytest.raises(MalformedError) as caught:
        decode(head)
    assert caught.value.status == c.INVALID_COMMAND


@pytest.mark.parametrize("command", [c.SUBMIT_SM_RESP, c.DELIVER_SM_RESP, c.DATA_SM_RESP])
@pytest.mark.parametrize("status", [0, 0x58])
def test_an_answer_without_a_body_is_an_answer(command: int, status: int) -> None:
    assert decode(encode(command, 5, None, status)) == Pdu(command, status, 5, Taken())


def test_a_message_of_all_fields_is_laid_out_as_the_specification_says() -> None:
    message = Message(
        "4915112345678",
        b"hello",
        "Yizhan",
        5,
        0,
        1,
        1,
        service_type="CMT",
        esm_class=0x40,
        protocol_id=2,
        priority=1,
        validity="000001000000000R",
        registered_delivery=1,
        data_coding=8,
        tlvs={0x0204: b"\0\7"},
    )
    assert encode(c.SUBMIT_SM, 0x01020304, message) == bytes.fromhex(
        "00000052 00000004 00000000 01020304"
        "434d5400 0500 59697a68616e00 0101 3439313531313233343536373800"
        "40 02 01 00 3030303030313030303030303030305200 01 00 08 00 05 68656c6c6f"
        "0204 0002 0007"
    )


def test_of_a_repeated_parameter_the_first_counts() -> None:
    octets = encode(c.SUBMIT_SM, 1, Message("1", tlvs={0x0204: b"\0\1"}))
    again = octets[16:] + bytes.fromhex("0204 0002 0009")
    head = (16 + len(again)).to_bytes(4, "big") + octets[4:16]
    body = decode(head + again).body
    assert isinstance(body, Message)
    assert body.tlvs == {0x0204: b"\0\1"}


def test_every_field_has_a_default_but_the_destination() -> None:
    required = [
        field.name
        for field in dataclasses.fields(Message)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    assert required == ["destination"]
