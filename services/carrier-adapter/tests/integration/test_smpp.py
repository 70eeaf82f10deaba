"""The SMPP carrier against a message centre on a real socket: what was taken, what nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from carrier_adapter.carriers.base import (
    TOO_LATE,
    Accepted,
    Answer,
    Cause,
    Lost,
    NotTaken,
    Refused,
    Submission,
)
from carrier_adapter.carriers.smpp.carrier import SmppCarrier
from carrier_adapter.metrics import AdapterMetrics, SmppMetrics
from carrier_adapter.receiving.normalise import CarrierReceipt
from carrier_adapter.receiving.replies import CarrierReply, ReplyPlace
from yizhan_contracts.events import ChannelConfigured, SmppBind, SmppOptions
from yizhan_contracts.reasons import Reason
from yizhan_runtime.clock import SystemClock
from yizhan_runtime.errors import Retryable
from yizhan_smpp import constants as c
from yizhan_smpp.encoding import encode
from yizhan_smpp.parts import MOST_PARTS
from yizhan_smpp.pdu import Message, Pdu, Taken
from yizhan_smpp.session import Session

from ..unit.world import configured  # noqa: TID252 - the path has a hyphen
from .smsc import Smsc, receipt, smsc

pytestmark = pytest.mark.integration


class Sink:
    """Where receipts and replies go; fails when told to."""

    def __init__(self) -> None:
        self.receipts: list[CarrierReceipt] = []
        self.replies: list[CarrierReply] = []
        self.refusals: list[str] = []
        self.failures: list[BaseException] = []
        self.is_away = False
        self.is_broken = False

    async def take_all(
        self,
        _channel: ChannelConfigured,
        receipts: Iterable[CarrierReceipt],
        replies: Iterable[CarrierReply],
    ) -> None:
        if self.is_broken:
            raise ZeroDivisionError
        if self.is_away:
            raise Retryable("kafka is away")
        self.receipts += receipts
        self.replies += replies

    def refused(self, _channel: str, why: str) -> None:
        self.refusals.append(why)

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)


class Bed:
    """A carrier, its message centre and its sink."""

    def __init__(self, centre: Smsc, **values: Any) -> None:
        self.smsc = centre
        self.sink = Sink()
        self.registry = CollectorRegistry()
        self.bound: list[bool] = []
        options = SmppOptions.model_validate({"system_id": "yizhan", **values.pop("smpp", {})})
        config = configured(
            **{
                "protocol": "smpp",
                "url": f"smpp://127.0.0.1:{centre.port}",
                "submit_timeout_s": 5.0,
                "smpp": options,
                **values,
            }
        )
        self.carrier = SmppCarrier(
            config,
            options,
            "secret",
            {},
            self.sink,
            SystemClock(),
            SmppMetrics(AdapterMetrics(self.registry), "a"),
        )

    async def submit(
        self, *texts: str, may_write: Callable[[], bool] = lambda: True, sender: str = "YIZHAN"
    ) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        batch = [
            Submission(text, f"+3360000{n:04d}", sender, text, 60) for n, text in enumerate(texts)
        ]
        await self.carrier.submit(batch, may_write, answers.__setitem__)
        return answers

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {"channel": "a", **labels}) or 0.0


@asynccontextmanager
async def bed(centre: Smsc, *, is_up: bool = True, **values: Any) -> AsyncIterator[Bed]:
    made = Bed(centre, **values)
    made.carrier.follow(lambda *, is_bound: made.bound.append(is_bound))
    try:
        if is_up:
            await until(lambda: made.bound[-1:] == [True])
        yield made
    finally:
        await made.carrier.close()


@pytest.fixture
async def centre() -> AsyncIterator[Smsc]:
    async with smsc() as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_each_message_gets_the_id_that_it_was_taken_under(centre: Smsc) -> None:
    async with bed(centre, window=3) as it:
        texts = [f"text {n}" for n in range(50)]
        answers = await it.submit(*texts)
        assert answers == {text: Accepted((str(n + 1),)) for n, text in enumerate(texts)}
        assert [message.short_message.decode() for message in centre.messages] == texts
        assert it.metric("yizhan_adapter_submitted_parts_total") == 50
        assert it.metric("yizhan_adapter_binds", kind="transceiver") == 1
    bind = centre.binds[0][1]
    assert (bind.system_id, bind.password) == ("yizhan", "secret")


async def test_several_binds_share_the_window_and_the_work(centre: Smsc) -> None:
    held: list[tuple[Session, Pdu]] = []
    centre.submitted = lambda session, request, _message: held.append((session, request))
    async with bed(centre, window=6, smpp={"binds": 3}) as it:
        await until(lambda: len(centre.sessions) == 3)
        submitting = asyncio.create_task(it.submit(*(str(n) for n in range(10))))
        await until(lambda: len(held) == 6)
        assert sorted(centre.sessions.index(session) for session, _ in held) == [0, 0, 1, 1, 2, 2]
        centre.submitted = centre.take
        for session, request in held:
            session.respond(request, c.OK, Taken("x"))
        assert len(await submitting) == 10


async def test_a_pair_sends_over_one_and_receives_over_the_other(centre: Smsc) -> None:
    done: list[object] = []
    async with bed(centre, smpp={"bind": SmppBind.PAIR}) as it:
        await until(lambda: len(centre.sessions) == 2)
        assert await it.submit("hi") == {"hi": Accepted(("1",))}
        centre.deliver(receipt("1"), done.append)
        await until(lambda: done)
    assert sorted(command for command, _ in centre.binds) == [c.BIND_RECEIVER, c.BIND_TRANSMITTER]
    assert it.sink.receipts[0].carrier_message_id == "1"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0x58, NotTaken(Cause.THROTTLED, Reason.THROTTLED, "ESME_RTHROTTLED")),
        (0x14, NotTaken(Cause.THROTTLED, Reason.THROTTLED, "ESME_RMSGQFUL")),
        (0x0B, Refused("11", Reason.NUMBER_INVALID, "ESME_RINVDSTADR")),
        (0x401, Refused("1025", Reason.NUMBER_VACANT, "0x00000401")),
    ],
)
async def test_a_status_is_an_answer(centre: Smsc, status: int, answer: Answer) -> None:
    centre.submitted = lambda session, request, _message: session.respond(request, status)
    async with bed(centre, reasons={"1025": "number-vacant"}) as it:
        assert await it.submit("hi") == {"hi": answer}


async def test_a_long_message_goes_in_parts_and_has_all_their_ids(centre: Smsc) -> None:
    async with bed(centre) as it:
        text = "a" * 400
        assert await it.submit(text) == {text: Accepted(("1", "2", "3"), 3)}
    headers = [message.short_message[:6] for message in centre.messages]
    assert [header[4:] for header in headers] == [b"\3\1", b"\3\2", b"\3\3"]
    assert len({header[3] for header in headers}) == 1
    assert {message.esm_class for message in centre.messages} == {c.ESM_UDH}


async def test_of_a_long_message_whose_first_part_is_refused_nothing_more_is_sent(
    centre: Smsc,
) -> None:
    centre.submitted = lambda session, request, _message: session.respond(request, 0x0B)
    async with bed(centre) as it:
        answers = await it.submit("a" * 400)
    assert [type(answer) for answer in answers.values()] == [Refused]
    assert len(centre.messages) == 1


async def test_a_long_message_that_is_taken_in_part_is_in_doubt(centre: Smsc) -> None:
    def refuse_the_second(session: Session, request: Pdu, message: Message) -> None:
        if message.short_message[5] == 2:
            session.respond(request, 0x45)
        else:
            centre.take(session, request, message)

    centre.submitted = refuse_the_second
    async with bed(centre) as it:
        (answer,) = (await it.submit("a" * 400)).values()
    assert answer == Lost("2 of 3 parts were taken: ESME_RSUBMITFAIL", ("1", "3"), 3)


async def test_a_throttled_second_part_is_tried_again(centre: Smsc) -> None:
    refusals = [0x58, 0x14]

    def throttle(session: Session, request: Pdu, message: Message) -> None:
        if message.short_message[5] == 2 and refusals:
            session.respond(request, refusals.pop())
        else:
            centre.take(session, request, message)

    centre.submitted = throttle
    async with bed(centre) as it:
        (answer,) = (await it.submit("a" * 200)).values()
    assert answer == Accepted(("1", "4"), 2)


async def test_what_was_written_when_a_bind_is_cut_is_lost_and_the_rest_was_not_taken(
    centre: Smsc,
) -> None:
    centre.submitted = lambda _session, _request, _message: None
    async with bed(centre, window=4) as it:
        submitting = asyncio.create_task(it.submit(*(str(n) for n in range(10))))
        await until(lambda: len(centre.messages) == 4)
        centre.sessions[0].abort()
        answers = await submitting
        assert [type(answers[str(n)]) for n in range(10)] == [Lost] * 4 + [NotTaken] * 6
        causes = {a.cause for a in answers.values() if isinstance(a, NotTaken)}
        assert causes == {Cause.DOWN}
        centre.submitted = centre.take
        await until(lambda: it.bound == [False, True, False, True])
        assert await it.submit("again") == {"again": Accepted(("5",))}


async def test_one_bind_of_two_that_is_cut_costs_the_other_nothing(centre: Smsc) -> None:
    held: list[tuple[Session, Pdu]] = []
    centre.submitted = lambda session, request, _message: held.append((session, request))
    async with bed(centre, window=4, smpp={"binds": 2}) as it:
        await until(lambda: len(centre.sessions) == 2)
        submitting = asyncio.create_task(it.submit(*(str(n) for n in range(4))))
        await until(lambda: len(held) == 4)
        cut = held[0][0]
        cut.abort()
        for session, request in held:
            session.respond(request, c.OK, Taken("kept"))
        answers = list((await submitting).values())
        assert (
            sorted(type(answer).__name__ for answer in answers) == ["Accepted"] * 2 + ["Lost"] * 2
        )
        await until(lambda: len(centre.sessions) == 2)
        assert it.bound == [False, True]


async def test_a_carrier_that_is_not_bound_takes_nothing_and_binds_when_it_can(
    centre: Smsc,
) -> None:
    port = centre.port
    await centre.stop()
    async with bed(centre, is_up=False) as it:
        assert not await it.carrier.is_up()
        (answer,) = (await it.submit("hi")).values()
        assert isinstance(answer, NotTaken)
        assert answer.cause is Cause.DOWN
        await until(lambda: it.metric("yizhan_adapter_bind_failures_total", why="connection") >= 1)
        await centre.start(port)
        await until(lambda: it.bound[-1])
        assert await it.carrier.is_up()
        assert await it.submit("hi") == {"hi": Accepted(("1",))}


async def test_a_refused_bind_is_counted_and_said(
    centre: Smsc, caplog: pytest.LogCaptureFixture
) -> None:
    centre.bind_status = c.INVALID_PASSWORD
    async with bed(centre, is_up=False) as it:
        await until(lambda: it.metric("yizhan_adapter_bind_failures_total", why="refused") == 1)
        assert it.bound == [False]
    said = [vars(record) for record in caplog.records if record.message == "a bind failed"]
    assert said[0]["why"] == "the bind was refused: ESME_RINVPASWD"
    assert "secret" not in str(said)


async def test_what_has_grown_too_old_is_not_written(centre: Smsc) -> None:
    async with bed(centre) as it:
        assert await it.submit("hi", may_write=lambda: False) == {"hi": TOO_LATE}
    assert centre.messages == []


async def test_what_waits_for_room_is_asked_again_before_it_goes(centre: Smsc) -> None:
    asked = iter([True, False])
    async with bed(centre, window=1) as it:
        answers = await it.submit("first", "second", may_write=lambda: next(asked))
    assert answers == {"first": Accepted(("1",)), "second": TOO_LATE}


async def test_a_response_that_never_comes_is_lost_and_frees_the_window(centre: Smsc) -> None:
    centre.submitted = lambda session, request, message: (
        None if message.short_message == b"silent" else centre.take(session, request, message)
    )
    async with bed(centre, window=1, submit_timeout_s=0.2) as it:
        answers = await it.submit("silent", "next")
        assert answers == {"next": Accepted(("2",)), "silent": Lost("no answer")}
        assert list(answers) == ["next", "silent"]


async def test_a_submit_that_is_cancelled_gives_its_answers_up(centre: Smsc) -> None:
    centre.submitted = lambda _session, _request, _message: None
    async with bed(centre, window=1) as it:
        submitting = asyncio.create_task(it.submit("first", "second"))
        await until(lambda: centre.messages)
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        held, centre.submitted = centre.messages[:], centre.take
        centre.sessions[0].abort()
        await until(lambda: it.bound == [False, True, False, True])
        assert await it.submit("third") == {"third": Accepted(("2",))}
    assert [m.short_message for m in centre.messages] == [held[0].short_message, b"third"]


async def test_garbage_ends_the_bind_is_counted_and_a_new_one_comes(centre: Smsc) -> None:
    centre.submitted = lambda session, _request, _message: session.raw(b"\x7f" * 40)
    async with bed(centre) as it:
        (answer,) = (await it.submit("hi")).values()
        assert isinstance(answer, Lost)
        assert it.metric("yizhan_adapter_malformed_pdus_total") >= 1
        centre.submitted = centre.take
        await until(lambda: it.bound == [False, True, False, True])
        assert await it.submit("again") == {"again": Accepted(("2",))}


async def test_an_answer_without_a_readable_id_is_in_doubt(centre: Smsc) -> None:
    def mumble(session: Session, request: Pdu, _message: Message) -> None:
        answer = encode(c.SUBMIT_SM_RESP, request.sequence, Taken("x" * 64))
        session.raw((len(answer) + 9).to_bytes(4, "big") + answer[4:-1] + b"y" * 9 + b"\0")

    centre.submitted = mumble
    async with bed(centre) as it:
        assert await it.submit("hi") == {"hi": Lost("an answer that cannot be read")}


async def test_a_receipt_may_come_before_the_answer_it_is_about(centre: Smsc) -> None:
    done: list[object] = []

    def early(session: Session, request: Pdu, message: Message) -> None:
        session.request(c.DELIVER_SM, receipt("1"), done.append)
        centre.take(session, request, message)

    centre.submitted = early
    async with bed(centre) as it:
        assert await it.submit("hi") == {"hi": Accepted(("1",))}
        await until(lambda: done)
    assert [one.carrier_message_id for one in it.sink.receipts] == ["1"]


async def test_receipts_are_acknowledged_when_they_are_safe_and_not_before(centre: Smsc) -> None:
    done: list[Any] = []
    async with bed(centre, reasons={"11": "number-vacant"}, smpp={"time_zone": "UTC"}) as it:
        it.sink.is_away = True
        centre.deliver(receipt("7", "UNDELIV", "011"), done.append)
        await until(lambda: done)
        assert done[0].status == c.TRY_AGAIN
        it.sink.is_away = False
        for one in (receipt("7", "UNDELIV", "011"), receipt("8"), receipt("9", "ACCEPTD")):
            centre.deliver(one, done.append)
        await until(lambda: len(done) == 4)
    assert {answer.status for answer in done[1:]} == {c.OK}
    at = "2026-11-23T19:01:00+00:00"
    assert it.sink.receipts == [
        CarrierReceipt("7", "", "failed", "11", at, Reason.NUMBER_VACANT),
        CarrierReceipt("8", "", "delivered", "DELIVRD", at),
        CarrierReceipt("9", "", "buffered", "ACCEPTD", at),
    ]


async def test_a_receipt_that_nobody_can_read_is_counted_and_not_asked_for_again(
    centre: Smsc,
) -> None:
    done: list[Any] = []
    async with bed(centre) as it:
        centre.deliver(Message("Y", b"what?", "336", esm_class=c.ESM_RECEIPT), done.append)
        await until(lambda: done)
    assert done[0].status == c.OK
    assert it.sink.refusals == ["bad-receipt"]


async def test_replies_come_with_their_place_in_a_long_one(centre: Smsc) -> None:
    done: list[Any] = []
    async with bed(centre) as it:
        centre.deliver(Message("72345", b"STOP", "33600000001"), done.append)
        udh = Message("72345", b"\5\0\3\7\2\1ab", "33600000001", esm_class=c.ESM_UDH)
        centre.deliver(udh, done.append)
        await until(lambda: len(done) == 2)
    assert it.sink.replies == [
        CarrierReply("33600000001", "72345", "STOP"),
        CarrierReply("33600000001", "72345", "ab", ReplyPlace(7, 2, 1)),
    ]


async def test_what_cannot_be_worded_costs_the_others_nothing(centre: Smsc) -> None:
    async with bed(centre) as it:
        too_long = "a" * (153 * MOST_PARTS + 1)
        answers = await it.submit("hi", too_long)
        assert answers["hi"] == Accepted(("1",))
        assert isinstance(answers[too_long], Refused)
        (answer,) = (await it.submit("ho", sender="驿站")).values()
        assert isinstance(answer, Refused)


async def test_a_fault_that_nobody_foresaw_ends_the_process_not_the_receipts(centre: Smsc) -> None:
    done: list[Any] = []
    async with bed(centre) as it:
        it.sink.is_broken = True
        centre.deliver(receipt("1"), done.append)
        await until(lambda: it.sink.failures)
        assert done == [], "what is not acknowledged comes again"


async def test_closing_unbinds(centre: Smsc) -> None:
    async with bed(centre) as it:
        pass
    await until(lambda: not centre.sessions)
    assert it.metric("yizhan_adapter_binds", kind="transceiver") == 0
