"""Puts the simulators together: the only file that constructs things."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType

from aiohttp import web
from pydantic import JsonValue

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.carriers.records import CarrierBook, Receipt, encode_receipts
from yizhan_simulators.clock import Clock, steady_clock
from yizhan_simulators.countries import Countries
from yizhan_simulators.customers.customer import Customer
from yizhan_simulators.customers.records import CustomerBook
from yizhan_simulators.doors import Door
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
from yizhan_simulators.voice.calls import CallReport, encode_report
from yizhan_simulators.voice.provider import Provider
from yizhan_simulators.voice.records import ProviderBook
from yizhan_simulators.webhooks import RETRY_FOR_S, Courier, HttpPost

log = logging.getLogger(__name__)

_BODY_MOST = 4 * 1024 * 1024
_RECEIPTS_A_POST = 100

PartyKey = tuple[str, str]
"""Kind and name: ("carriers", "alpha")."""


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
        self._reports = self._make_reports()
        self.carriers = Named(self._make_carrier)
        self.providers = Named(self._make_provider)
        self.customers = Named(self._make_customer)
        self._kinds: Mapping[str, Named[Party]] = {
            "carriers": self.carriers,
            "providers": self.providers,
            "customers": self.customers,
        }
        self._door = Door(self._make_app, settings.host, settings.port)
        self._own_doors = {
            key: Door(self._make_app, settings.host, port)
            for key, port in settings.own_ports.items()
        }

    @property
    def port(self) -> int:
        """The common port, once started."""
        return self._door.port

    @property
    def own_ports(self) -> dict[PartyKey, int]:
        """The ports of parties with a door of their own, once started."""
        return {key: door.port for key, door in self._own_doors.items()}

    async def start(self) -> None:
        """Take up what was owed, then listen."""
        self._receipts.send(self._carrier_book.recover())
        self._reports.send(self._provider_book.recover())
        self._customer_book.recover()
        at_once = [step for step in self._settings.steps if step.at_s == 0]
        await play(at_once, self._apply, asyncio.sleep)
        for key in self._own_doors:
            await self._mind_door(*key)
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
        await asyncio.gather(*(door.close() for door in (self._door, *self._own_doors.values())))
        await self._receipts.stop()
        await self._reports.stop()
        await self._post.close()
        for journal in self._journals:
            journal.close()

    async def _apply(self, kind: str, name: str, patch: dict[str, JsonValue]) -> None:
        try:
            self._kinds[kind].of(name).revise(patch)
        except Invalid as invalid:  # was valid alone; something set meanwhile contradicts it
            log.warning("scenario step refused", extra={"party": name, "why": str(invalid)})
            return
        await self._mind_door(kind, name)
        log.info("scenario step", extra={"kind": kind, "party": name, "fields": sorted(patch)})

    async def _mind_door(self, kind: str, name: str) -> None:
        """Shut the door of a party that is down, open that of one that is not."""
        door = self._own_doors.get((kind, name))
        if door is not None:
            await door.set_open(is_open=not self._is_down(kind, name))

    def _is_down(self, kind: str, name: str) -> bool:
        return bool(getattr(self._kinds[kind].of(name).behaviour, "down", False))

    def _journal(self, name: str) -> Journal:
        journal = open_journal(self._settings.record_dir, name, self._settings.journal_bytes)
        self._journals.append(journal)
        return journal

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
            owe=self._receipts.send,
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
            RecordsFace(*books),
            CarrierFace(self.carriers, self._receipts, self._silence),
            VoiceFace(self.providers, self._reports, self._silence),
            CustomerFace(self.customers, self._silence),
        ):
            app.router.add_routes(face.routes())
        return app


async def _fine(_: web.Request) -> web.Response:
    return answer({"status": "ok"})
