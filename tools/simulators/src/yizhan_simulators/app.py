"""Puts the simulators together: the only file that constructs things."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType

from aiohttp import web

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.handed import Receipt, encode_receipts
from yizhan_simulators.carriers.records import CarrierBook
from yizhan_simulators.carriers.replies import Reply, encode_replies
from yizhan_simulators.clock import Clock, steady_clock
from yizhan_simulators.countries import Countries
from yizhan_simulators.customers.customer import Customer
from yizhan_simulators.customers.records import CustomerBook
from yizhan_simulators.doors import Door
from yizhan_simulators.faces.carrier_control import CarrierControl
from yizhan_simulators.faces.carrier_face import CarrierFace
from yizhan_simulators.faces.control_face import ControlFace
from yizhan_simulators.faces.customer_face import CustomerFace
from yizhan_simulators.faces.records_face import RecordsFace
from yizhan_simulators.faces.voice_face import VoiceFace
from yizhan_simulators.faces.wire import Silence, answer
from yizhan_simulators.journal import MOST_BYTES, Journal, open_journal
from yizhan_simulators.named import Named, Party
from yizhan_simulators.repeats import KEPT
from yizhan_simulators.revision import Invalid
from yizhan_simulators.scenario import Step, play
from yizhan_simulators.smpp.delivery import SMPP, Deliveries
from yizhan_simulators.smpp.face import SmppFace
from yizhan_simulators.smpp.ports import SmppPort
from yizhan_simulators.voice.calls import CallReport, encode_report
from yizhan_simulators.voice.provider import Provider
from yizhan_simulators.voice.records import ProviderBook
from yizhan_simulators.webhooks import RETRY_FOR_S, Courier, HttpPost

log = logging.getLogger(__name__)

_BODY_MOST = 4 * 1024 * 1024
_RECEIPTS_A_POST = 100

PartyKey = tuple[str, str]
"""Kind and name: ("carriers", "alpha"); the kind "smpp" is a carrier's own SMPP port."""

SMPP_KIND = "smpp"


@dataclass(frozen=True)
class Settings:
    """How one process of simulators runs."""

    host: str = "127.0.0.1"
    port: int = 0
    record_dir: Path | None = None
    seed: int = 1
    steps: Sequence[Step] = ()
    own_ports: Mapping[PartyKey, int] = field(default_factory=lambda: MappingProxyType({}))
    retry_for_s: float = RETRY_FOR_S
    kept: int = KEPT
    journal_bytes: int = MOST_BYTES
    smpp_port: int | None = None
    smpps_port: int | None = None
    tls: ssl.SSLContext | None = None
    """What `smpps_port` shows and asks for."""


class Simulators:
    """All simulated parties of one process, from `start` to `stop`."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or steady_clock()
        self._countries = Countries()
        self._silence = Silence()
        self._post = HttpPost()
        self._journals: list[Journal] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._carrier_book = CarrierBook(self._journal("carriers"), settings.kept)
        self._provider_book = ProviderBook(self._journal("providers"), settings.kept)
        self._customer_book = CustomerBook(self._journal("customers"), settings.kept)
        self._receipts = self._make_receipts()
        self._replies = self._make_replies()
        self._reports = self._make_reports()
        self.carriers = Named(self._make_carrier)
        self.providers = Named(self._make_provider)
        self.customers = Named(self._make_customer)
        self._kinds: Mapping[str, Named[Party]] = {
            "carriers": self.carriers,
            "providers": self.providers,
            "customers": self.customers,
        }
        self._deliveries = Deliveries(
            self.carriers, self._carrier_book, self._replied, self._clock, settings.retry_for_s
        )
        self._smpp = SmppFace(self.carriers, self._deliveries, self._clock)
        self._door = Door(self._make_app, settings.host, settings.port)
        self._smpp_ports = self._make_smpp_ports()
        self._own_doors = {
            key: self._own_door(key, port) for key, port in settings.own_ports.items()
        }

    @property
    def port(self) -> int:
        """The common port, once started."""
        return self._door.port

    @property
    def records(self) -> CarrierBook:
        """What the carriers were handed."""
        return self._carrier_book

    @property
    def smpp_ports(self) -> dict[str, int]:
        """The ports of `smpp` and `smpps`, where there are any, once started."""
        return {scheme: port.port for scheme, port in self._smpp_ports.items()}

    @property
    def own_ports(self) -> dict[PartyKey, int]:
        """The ports of parties with a door of their own, once started."""
        return {key: door.port for key, door in self._own_doors.items()}

    async def start(self) -> None:
        """Take up what was owed, then listen."""
        self._owe(self._carrier_book.recover())
        self._reports.send(self._provider_book.recover())
        self._customer_book.recover()
        at_once = [step for step in self._settings.steps if step.at_s == 0]
        await play(at_once, self._apply, asyncio.sleep)
        for kind, name in self._own_doors:
            await self._mind_door("carriers" if kind == SMPP_KIND else kind, name)
        for port in self._smpp_ports.values():
            await port.set_open(is_open=True)
        await self._door.set_open(is_open=True)
        later = [step for step in self._settings.steps if step.at_s > 0]
        self._tasks.append(asyncio.create_task(play(later, self._apply, asyncio.sleep)))

    async def stop(self) -> None:
        """Answer who waits, then stop; what is still owed is in the journal."""
        self._silence.end()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._smpp.stop()
        self._deliveries.stop()
        doors = (self._door, *self._smpp_ports.values(), *self._own_doors.values())
        await asyncio.gather(*(door.close() for door in doors))
        await self._receipts.stop()
        await self._replies.stop()
        await self._reports.stop()
        await self._post.close()
        for journal in self._journals:
            journal.close()

    async def _apply(self, step: Step) -> None:
        party = self._kinds[step.kind].of(step.name)
        try:
            if step.set is not None:
                party.revise(step.set)
        except Invalid as invalid:  # was valid alone; something set meanwhile contradicts it
            log.warning("scenario step refused", extra={"party": step.name, "why": str(invalid)})
            return
        if step.reset:
            self._kinds[step.kind].reset(step.name)
        if step.cut:
            self._smpp.cut(step.name)
        if step.reply is not None:
            self.carriers.of(step.name).reply(step.reply.sender, step.reply.to, step.reply.text)
        await self._mind_door(step.kind, step.name)
        log.info("scenario step", extra={"kind": step.kind, "party": step.name})

    async def _mind_door(self, kind: str, name: str) -> None:
        """Shut the doors of a party that is down, open those of one that is not."""
        is_down = self._is_down(kind, name)
        kinds = ("carriers", SMPP_KIND) if kind == "carriers" else (kind,)
        for door in [self._own_doors.get((one, name)) for one in kinds]:
            if door is not None:
                await door.set_open(is_open=not is_down)
        if is_down and kind == "carriers":
            self._smpp.cut(name)

    def _is_down(self, kind: str, name: str) -> bool:
        return bool(getattr(self._kinds[kind].of(name).behaviour, "down", False))

    def _journal(self, name: str) -> Journal:
        journal = open_journal(self._settings.record_dir, name, self._settings.journal_bytes)
        self._journals.append(journal)
        return journal

    def _own_door(self, key: PartyKey, port: int) -> Door | SmppPort:
        if key[0] == SMPP_KIND:
            return SmppPort(self._smpp, self._settings.host, port)
        return Door(self._make_app, self._settings.host, port)

    def _make_smpp_ports(self) -> dict[str, SmppPort]:
        settings, ports = self._settings, {}
        if settings.smpp_port is not None:
            ports["smpp"] = SmppPort(self._smpp, settings.host, settings.smpp_port)
        if settings.smpps_port is not None:
            ports["smpps"] = SmppPort(self._smpp, settings.host, settings.smpps_port, settings.tls)
        return ports

    def _owe(self, receipts: list[Receipt]) -> None:
        """Give each receipt to whoever speaks what its message came by."""
        over_smpp = [receipt for receipt in receipts if receipt.callback.startswith(SMPP)]
        if over_smpp:
            self._deliveries.send(over_smpp)
            receipts = [one for one in receipts if not one.callback.startswith(SMPP)]
        self._receipts.send(receipts)

    def _say(self, replies: list[Reply]) -> None:
        self._replies.send(reply for reply in replies if reply.callback.startswith("http"))
        self._deliveries.send(reply for reply in replies if not reply.callback.startswith("http"))

    def _replied(self, replies: Sequence[Reply]) -> None:
        self._carrier_book.replied(replies, self._clock())

    def _make_receipts(self) -> Courier[Receipt]:
        return Courier(
            post=self._post,
            encode=encode_receipts,
            outcomes=self._carrier_book,
            batch_most=_RECEIPTS_A_POST,
            rng=self._rng("receipts"),
            clock=self._clock,
            retry_for_s=self._settings.retry_for_s,
        )

    def _make_replies(self) -> Courier[Reply]:
        return Courier(
            post=self._post,
            encode=encode_replies,
            outcomes=_RepliesDone(self._replied),
            batch_most=_RECEIPTS_A_POST,
            rng=self._rng("replies"),
            clock=self._clock,
            retry_for_s=self._settings.retry_for_s,
        )

    def _make_reports(self) -> Courier[CallReport]:
        return Courier(
            post=self._post,
            encode=encode_report,
            outcomes=self._provider_book,
            batch_most=1,
            rng=self._rng("reports"),
            clock=self._clock,
            retry_for_s=self._settings.retry_for_s,
        )

    def _make_carrier(self, name: str) -> Carrier:
        return Carrier(
            name,
            book=self._carrier_book,
            owe=self._owe,
            say=self._say,
            country_of=self._countries.of,
            rng=self._rng(f"carriers/{name}"),
            clock=self._clock,
        )

    def _make_provider(self, name: str) -> Provider:
        return Provider(
            name,
            book=self._provider_book,
            owe=self._reports.send,
            rng=self._rng(f"providers/{name}"),
            clock=self._clock,
        )

    def _make_customer(self, name: str) -> Customer:
        rng = self._rng(f"customers/{name}")
        return Customer(name, book=self._customer_book, rng=rng, clock=self._clock)

    def _rng(self, whose: str) -> Random:
        """Give everyone a generator of their own: what one does never changes another's draws."""
        return Random(f"{self._settings.seed}/{whose}")

    def _make_app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_MOST)
        app.router.add_get("/live", _fine)
        app.router.add_get("/ready", _fine)
        books = (self._carrier_book, self._provider_book, self._customer_book)
        for face in (
            ControlFace(self._kinds, self._mind_door),
            CarrierControl(self.carriers, self._smpp),
            RecordsFace(*books),
            CarrierFace(self.carriers, self._receipts, self._silence),
            VoiceFace(self.providers, self._reports, self._silence),
            CustomerFace(self.customers, self._silence),
        ):
            app.router.add_routes(face.routes())
        return app


class _RepliesDone:
    """Replies are owed until they are posted, and counted then; a restart forgets them."""

    def __init__(self, replied: Callable[[Sequence[Reply]], None]) -> None:
        self._replied = replied

    def is_owed(self, _reply: Reply, /) -> bool:
        return True

    def done(self, replies: Sequence[Reply], outcome: str, /) -> None:
        if outcome == "sent":
            self._replied(replies)


async def _fine(_: web.Request) -> web.Response:
    return answer({"status": "ok"})
