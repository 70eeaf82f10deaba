"""Carriers over SMPP, driven by a real bind."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tools.simulators.tests.esme import OPTIONS, Esme
from tools.simulators.tests.support import until

from yizhan_simulators.app import Settings, Simulators
from yizhan_smpp.constants import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    CODING_UCS2,
    ESM_RECEIPT,
    ESM_UDH,
    GENERIC_NACK,
    INVALID_DESTINATION,
    OK,
    SYSTEM_ERROR,
    TAG_MESSAGE_STATE,
    TAG_PAYLOAD,
    TAG_RECEIPTED_MESSAGE_ID,
    TAG_SAR_NUMBER,
    TAG_SAR_REFERENCE,
    TAG_SAR_TOTAL,
    THROTTLED,
    TRY_AGAIN,
)
from yizhan_smpp.errors import BindRefusedError, ConnectionFailedError
from yizhan_smpp.handler import Failure, SessionOptions
from yizhan_smpp.pdu import Pdu

pytestmark = pytest.mark.integration

NOW = {"latency_ms": 0, "receipt": {"delay_ms": 0}}
ATTEMPT = f"{7:032x}-1"


@pytest.fixture
async def simulators() -> AsyncIterator[Simulators]:
    simulators = Simulators(Settings(smpp_port=0, own_ports={("smpp", "gamma"): 0}))
    await simulators.start()
    simulators.carriers.of("alpha").revise(NOW)
    yield simulators
    await simulators.stop()


Bind = Callable[..., Awaitable[Esme]]


@pytest.fixture
async def bind(simulators: Simulators) -> AsyncIterator[Bind]:
    made: list[Esme] = []

    async def make(*, statuses: tuple[int, ...] = (OK,), port: int = 0, **how: Any) -> Esme:
        esme = Esme(port or simulators.smpp_ports["smpp"], statuses=statuses)
        made.append(esme)
        return await esme.bind(**how)

    yield make
    for esme in made:
        await esme.close()


def alpha(simulators: Simulators, **patch: Any) -> None:
    simulators.carriers.of("alpha").revise(patch)


def record(simulators: Simulators, name: str = "alpha") -> dict[str, Any]:
    return simulators.records.of(name).summary()


def status(reply: Pdu | Failure) -> int:
    assert isinstance(reply, Pdu)
    return reply.status


async def test_a_submit_is_answered_and_its_receipt_comes_with_text_and_tlvs(
    simulators: Simulators, bind: Bind
) -> None:
    esme = await bind()
    message_id = await esme.id_of()
    await until(lambda: esme.delivered)
    receipt = esme.delivered[0]

    assert receipt.esm_class == ESM_RECEIPT
    assert receipt.tlvs[TAG_RECEIPTED_MESSAGE_ID] == message_id.encode() + b"\0"
    assert receipt.tlvs[TAG_MESSAGE_STATE] == b"\2"
    assert f"id:{message_id} sub:001 dlvrd:001" in esme.texts[0]
    assert "stat:DELIVRD err:000" in esme.texts[0]
    assert (receipt.source, receipt.destination) == ("4915112345678", "Yizhan")
    await until(lambda: record(simulators)["receipts_sent"] == 1)
    assert record(simulators)["handed"] == record(simulators)["refs"] == 1


async def test_the_same_text_to_the_same_number_is_the_same_message_again(
    simulators: Simulators, bind: Bind
) -> None:
    esme = await bind()
    await esme.submit(b"one")
    await esme.submit(b"one")
    await esme.submit(b"one", to="4915112345679")

    (twice,) = record(simulators)["refs_twice"]
    assert twice.startswith("+4915112345678#")
    assert record(simulators)["handed"] == 3


async def test_an_attempts_id_in_a_vendors_tlv_names_the_message_and_is_echoed(
    simulators: Simulators, bind: Bind
) -> None:
    esme = await bind()
    await esme.submit(b"one", tlvs={0x1403: ATTEMPT.encode() + b"\0"})
    await until(lambda: esme.delivered)

    assert esme.delivered[0].tlvs[0x1403] == ATTEMPT.encode()
    assert list(simulators.records.of("alpha").detail()) == [ATTEMPT]


@pytest.mark.parametrize(
    ("patch", "system_id", "password", "expected"),
    [
        ({"secret": "right"}, "alpha", "wrong", 0x0E),
        ({"smpp": {"system_id": "acme"}}, "alpha", "any", 0x0F),
        ({}, "no such name!", "any", 0x0F),
        ({"smpp": {"bind_status": 0x0D}}, "alpha", "any", 0x0D),
    ],
)
async def test_a_bind_is_refused_with_its_status(
    simulators: Simulators,
    bind: Bind,
    patch: dict[str, Any],
    system_id: str,
    password: str,
    expected: int,
) -> None:
    alpha(simulators, **patch)
    with pytest.raises(BindRefusedError) as refused:
        await bind(system_id=system_id, password=password)

    assert refused.value.status == expected


async def test_a_carrier_may_go_by_another_system_id(simulators: Simulators, bind: Bind) -> None:
    simulators.carriers.of("a-name-of-over-15-letters").revise({"smpp": {"system_id": "short"}})
    await (await bind(system_id="short")).submit()

    assert record(simulators, "a-name-of-over-15-letters")["handed"] == 1


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"refuse_ratio": 1, "refuse_code": "11"}, INVALID_DESTINATION),
        ({"refuse_ratio": 1, "refuse_code": "0x401"}, 0x401),
        ({"refuse_ratio": 1, "refuse_code": "MK:0001"}, 0x45),
        ({"error_ratio": 1}, SYSTEM_ERROR),
        ({"by_country": {"DE": {"error_ratio": 1}}}, SYSTEM_ERROR),
        ({"error_ratio": 1, "smpp": {"error_status": 0x14}}, 0x14),
    ],
)
async def test_what_is_refused_has_its_status_and_is_not_handed_over(
    simulators: Simulators, bind: Bind, patch: dict[str, Any], expected: int
) -> None:
    alpha(simulators, **patch)
    reply = await (await bind()).submit()

    assert status(reply) == expected
    assert record(simulators)["handed"] == 0


async def test_unknown_codes_are_a_vendors(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, refuse_ratio=1, unknown_code_ratio=1)

    assert 0x400 <= status(await (await bind()).submit()) < 0x500


async def test_each_message_above_the_rate_is_throttled(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, throttle_tps=2)
    esme = await bind()
    statuses = [status(await esme.submit(b"%d" % number)) for number in range(4)]

    assert statuses == [OK, OK, THROTTLED, THROTTLED]
    assert record(simulators)["throttled"] == 2


async def test_an_early_receipt_comes_before_the_answer(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, receipt={"early_ratio": 1})
    esme = await bind()
    await esme.submit()

    assert esme.happened == ["deliver", "answer"]


@pytest.mark.parametrize(
    ("how", "reply"), [("close", Failure.LOST), ("hang", Failure.SILENT), ("garbage", Failure.LOST)]
)
async def test_an_answer_is_lost_and_the_message_is_taken(
    simulators: Simulators, bind: Bind, how: str, reply: Failure
) -> None:
    alpha(simulators, lose_answer_ratio=1, lose_answer_by=how)
    esme = await bind()

    assert await esme.submit() is reply
    assert record(simulators)["handed"] == record(simulators)["answers_lost"] == 1


async def test_a_generic_nack_says_nothing_of_a_message_that_is_taken(
    simulators: Simulators, bind: Bind
) -> None:
    alpha(simulators, lose_answer_ratio=1, lose_answer_by="error")
    reply = await (await bind()).submit()

    assert isinstance(reply, Pdu)
    assert reply.command == GENERIC_NACK
    assert record(simulators)["handed"] == 1


async def test_parts_are_one_message_once_all_are_there(simulators: Simulators, bind: Bind) -> None:
    esme = await bind()
    await esme.submit(b"\5\0\3\x2a\2\2" + "界".encode("utf-16-be"), esm_class=ESM_UDH, coding=8)
    assert (record(simulators)["handed"], record(simulators)["incomplete"]) == (0, 1)
    await esme.submit(b"\5\0\3\x2a\2\1" + "世".encode("utf-16-be"), esm_class=ESM_UDH, coding=8)
    await esme.submit(b"\6\x08\4\1\0\2\1" + b"long ", esm_class=ESM_UDH)
    await esme.submit(b"\6\x08\4\1\0\2\2" + b"one", esm_class=ESM_UDH)
    for number in (1, 2):
        sar = {TAG_SAR_REFERENCE: b"\0\7", TAG_SAR_TOTAL: b"\2", TAG_SAR_NUMBER: bytes((number,))}
        await esme.submit(b"sar%d" % number, tlvs=sar)
    await esme.submit(b"", tlvs={TAG_PAYLOAD: b"p" * 1000})
    stories = [s for [s] in simulators.records.of("alpha").detail().values()]

    assert [story["text"] for story in stories] == ["世界", "long one", "sar1sar2", "p" * 1000]
    assert [story.get("parts") for story in stories] == [2, 2, 2, None]
    assert record(simulators)["handed"] == 4
    assert record(simulators)["receipts_planned"] == 7


async def test_a_part_of_a_message_fails(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, receipt={"parts": {"2": "failed:27"}})
    esme = await bind()
    await esme.submit(b"\5\0\3\1\2\1one", esm_class=ESM_UDH)
    await esme.submit(b"\5\0\3\1\2\2two", esm_class=ESM_UDH)
    await esme.submit(b"whole")
    await until(lambda: len(esme.delivered) == 3)
    ends = sorted(text.partition("stat:")[2].strip() for text in esme.texts)

    assert ends == ["DELIVRD err:000 text:", "DELIVRD err:000 text:", "UNDELIV err:027 text:"]
    finals = [s["final"] for [s] in simulators.records.of("alpha").detail().values()]
    assert finals == ["failed", "delivered"]


async def test_ids_and_texts_of_receipts_take_the_shape_that_is_set(
    simulators: Simulators, bind: Bind
) -> None:
    alpha(
        simulators,
        smpp={"receipt_ids": "decimal", "receipt_form": "text", "receipt_text": "upper"},
    )
    esme = await bind()
    message_id = await esme.id_of()
    await until(lambda: esme.delivered)

    assert esme.texts[0].startswith(f"ID:{int(message_id, 16)} SUB:001")
    assert esme.delivered[0].tlvs == {}


async def test_receipts_come_only_where_they_were_asked_for(
    simulators: Simulators, bind: Bind
) -> None:
    alpha(simulators, receipt={"numbers": {"+33": "failed"}})
    esme = await bind()
    await esme.submit(b"none", registered=0)
    await esme.submit(b"failures", registered=2)
    await esme.submit(b"failures", registered=2, to="33612345678")
    await until(lambda: esme.delivered)

    assert record(simulators)["receipts_planned"] == 1
    assert "stat:UNDELIV" in esme.texts[0]


async def test_a_receipt_that_is_not_taken_comes_again_on_any_bind(
    simulators: Simulators, bind: Bind
) -> None:
    sender = await bind(command=BIND_TRANSMITTER)
    await sender.submit()
    refusing = await bind(command=BIND_RECEIVER, statuses=(TRY_AGAIN, TRY_AGAIN, OK))
    await until(lambda: refusing.delivered)

    assert refusing.happened == ["deliver"] * 3
    await until(lambda: record(simulators)["receipts_sent"] == 1)
    assert not sender.delivered


async def test_receipts_that_are_owed_outlive_the_program(tmp_path: Path) -> None:
    settings = Settings(smpp_port=0, record_dir=tmp_path)
    first = Simulators(settings)
    await first.start()
    esme = await Esme(first.smpp_ports["smpp"]).bind(command=BIND_TRANSMITTER)
    await esme.submit()
    await first.stop()
    await esme.close()
    second = Simulators(settings)
    await second.start()
    esme = await Esme(second.smpp_ports["smpp"]).bind(command=BIND_RECEIVER)
    await until(lambda: esme.delivered)
    await esme.close()
    await second.stop()

    assert record(second)["handed"] == 1


async def test_recipients_write_by_the_control_api(simulators: Simulators, bind: Bind) -> None:
    esme = await bind()
    url = f"http://127.0.0.1:{simulators.port}/control/carriers/alpha/replies"
    long = "取" * 69 + "😀!"
    async with aiohttp.ClientSession() as session:
        for text in ("STOP", long):
            reply = {"from": "+8613800138000", "to": "10690001", "text": text}
            async with session.post(url, json=reply) as answer:
                assert answer.status == 202
        async with session.post(url, json={"from": "+86"}) as answer:
            assert answer.status == 422
    await until(lambda: record(simulators)["replies_sent"] == 2)
    short, *parts = esme.delivered

    assert (short.source, short.destination, short.short_message) == (
        "8613800138000", "10690001", b"STOP",
    )  # fmt: skip
    assert [part.short_message[:6] for part in parts] == [b"\5\0\3\2\2\1", b"\5\0\3\2\2\2"]
    assert b"".join(p.short_message[6:] for p in parts).decode("utf-16-be") == long
    assert parts[0].data_coding == CODING_UCS2


async def test_recipients_answer_what_is_delivered(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, reply={"ratio": 1, "text": "TD", "after_ms": 0})
    esme = await bind()
    await esme.submit()
    await until(lambda: len(esme.delivered) == 2)

    assert sorted(m.esm_class for m in esme.delivered) == [0, ESM_RECEIPT]
    assert "TD" in esme.texts


async def test_a_bind_is_cut_after_so_many_submits(simulators: Simulators, bind: Bind) -> None:
    alpha(simulators, smpp={"cut_every": 3})
    esme = await bind()
    answers = [await esme.submit(b"%d" % number) for number in range(3)]

    assert [isinstance(answer, Pdu) for answer in answers] == [True, True, False]
    assert record(simulators)["handed"] == 3


async def test_binds_are_shown_and_cut(simulators: Simulators, bind: Bind) -> None:
    esme = await bind()
    await esme.submit()
    url = f"http://127.0.0.1:{simulators.port}/control/carriers/alpha"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/binds") as answer:
            shown = (await answer.json())["binds"]
        async with session.post(f"{url}/cut") as answer:
            assert await answer.json() == {"cut": 1}
    assert esme.session is not None
    await esme.session.wait_closed()

    assert [(one["kind"], one["submits"]) for one in shown] == [("transceiver", 1)]


async def test_a_carrier_that_is_down_refuses_connections_on_its_own_port(
    simulators: Simulators, bind: Bind
) -> None:
    port = simulators.own_ports[("smpp", "gamma")]
    esme = await bind(port=port, system_id="gamma")
    url = f"http://127.0.0.1:{simulators.port}/control/carriers/gamma"
    async with aiohttp.ClientSession() as session, session.put(url, json={"down": True}) as answer:
        assert answer.status == 200
    assert esme.session is not None
    await esme.session.wait_closed()
    with pytest.raises(ConnectionFailedError, match="ConnectionRefused"):
        await bind(port=port, system_id="gamma")
    with pytest.raises(ConnectionFailedError):
        await bind(system_id="gamma")


async def test_a_deaf_carrier_answers_no_enquire_link(simulators: Simulators, bind: Bind) -> None:
    options = SessionOptions(window=10, response_s=0.1, give_up_s=0.2, enquire_link_s=0.1)
    esme = await bind(options=options)
    alpha(simulators, smpp={"is_deaf": True})
    assert esme.session is not None
    await esme.session.wait_closed()  # it hung up by itself


async def test_octets_that_are_no_pdu_are_counted(simulators: Simulators, bind: Bind) -> None:
    esme = await bind(options=OPTIONS)
    assert esme.session is not None
    esme.session._put(b"\0\0\0\x10\0\0\0\x77\0\0\0\0\0\0\0\1")  # a command that nobody knows
    await until(lambda: record(simulators)["malformed"] == 1)

    assert status(await esme.submit()) == OK
