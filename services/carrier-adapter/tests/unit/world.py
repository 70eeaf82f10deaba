"""A world for the adapter: a store, a Kafka and carriers that outlive its processes."""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self

from prometheus_client import CollectorRegistry

from carrier_adapter.domain.facts import address_of
from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.reporting import Reporter
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.intake import Intake
from carrier_adapter.sending.pump import Pump
from carrier_adapter.table import ChannelTable
from yizhan_contracts import ids
from yizhan_contracts.events import (
    AttemptPlanned,
    ChannelConfigured,
    CountryRoute,
    Decision,
    HoldChanged,
    HoldKind,
    InDoubtPolicy,
    Lane,
    MessageAccepted,
    Origin,
    OriginKind,
    Policy,
    Protocol,
    TemplateUse,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime.publisher import to_json
from yizhan_runtime.records import RawRecord, Record
from yizhan_runtime.window import OpenRecord
from yizhan_telecom.holds import Holds

from .fakes import EPOCH, FakeCarrier, FakeClock, FakeKafka, FakeStore, Steps, settle

TIMEOUT_S = 10.0
_numbers = itertools.count(1)


def message(
    *,
    lane: Lane = Lane.STANDARD,
    recipient: str | None = None,
    valid_for_s: float = 3600.0,
    max_attempts: int = 3,
    batch_id: str = "",
    shipment_id: str = "",
    template: TemplateUse | None = None,
    text: str = "Your parcel has arrived.",
    charging_num: int = 1,
) -> MessageAccepted:
    """A message of its own recipient, unless one is given."""
    number = next(_numbers)
    recipient = recipient or f"+33600{number:06d}"
    return MessageAccepted(
        message_id=ids.new_message_id(recipient, number, lambda _bits: number),
        account_id="demo",
        lane=lane,
        recipient=recipient,
        country="FR",
        sender="YIZHAN",
        text=text,
        charging_num=charging_num,
        template=template,
        policy=Policy(
            max_attempts=max_attempts, in_doubt=InDoubtPolicy.RESEND, receipt_timeout_s=14_400
        ),
        origin=Origin(
            kind=OriginKind.API, arrived_at=EPOCH, batch_id=batch_id, shipment_id=shipment_id
        ),
        accepted_at=EPOCH,
        valid_until=EPOCH + timedelta(seconds=valid_for_s),
    )


def plan(
    of: MessageAccepted | None = None,
    *,
    channel: str = "a",
    n: int = 1,
    tried: Sequence[str] = (),
    reason: Reason = Reason.NONE,
    **how: Any,
) -> AttemptPlanned:
    """Attempt ``n`` of a message, on a channel."""
    planned = of or message(**how)
    return AttemptPlanned(
        attempt_id=ids.attempt_id(planned.message_id, n),
        n=n,
        channel=channel,
        message=planned,
        tried=tuple(tried),
        decision=Decision(why="test"),
        reason=reason,
        planned_at=EPOCH,
    )


def configured(name: str = "a", **values: Any) -> ChannelConfigured:
    return ChannelConfigured.model_validate(
        {
            "channel": name,
            "carrier": name,
            "carrier_account": f"account-{name}",
            "protocol": Protocol.HTTP_JSON,
            "countries": {"*": CountryRoute()},
            "tps": 10_000.0,
            "window": 100,
            "batch_max": 10,
            "submit_timeout_s": TIMEOUT_S,
            "configured_at": EPOCH,
            **values,
        }
    )


def hold(kind: HoldKind, held_id: str, *, held: bool = True, **how: Any) -> HoldChanged:
    return HoldChanged(kind=kind, held_id=held_id, held=held, changed_at=EPOCH, **how)


class Opened:
    """An open record, and how it ended."""

    def __init__(
        self, planned: AttemptPlanned, offset: int, attempt: int = 0, first_seen_ms: int = 0
    ) -> None:
        place = address_of(planned.attempt_id)
        raw = RawRecord(
            planned.topic(),
            place.partition % 4,
            offset,
            place.key,
            to_json(planned),
            (),
            0,
            attempt,
            first_seen_ms,
        )
        self.ending = "open"
        self.delay: str | None = None
        self.record: OpenRecord[AttemptPlanned] = OpenRecord(Record(raw, planned), self._end)

    def _end(self, _opened: Any, aside: Any, abandoned: bool) -> None:  # noqa: FBT001
        self.delay = aside.delay if aside is not None else None
        self.ending = "parked" if aside is not None else "abandoned" if abandoned else "finished"


class World:
    """What outlives a process."""

    def __init__(self, *names: str, **values: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.kafka = FakeKafka()
        self.carriers = {name: FakeCarrier() for name in names or ("a",)}
        self.configs = {name: configured(name, **values) for name in self.carriers}
        self._incarnations = itertools.count(1)
        self._offsets = itertools.count(0)

    def process(self, *, die_at: int | None = None, **options: Any) -> "Process":
        return Process(self, f"incarnation-{next(self._incarnations)}", Steps(die_at), **options)

    def opened(self, planned: AttemptPlanned, **how: Any) -> Opened:
        return Opened(planned, next(self._offsets), **how)

    def outcomes(self) -> list[tuple[str, str]]:
        """What was published of attempts: (attempt id, outcome), in order."""
        return [(fact.attempt_id, fact.outcome.value) for fact in self.kafka.facts()]


class Process:
    """One carrier-adapter, without HTTP and without a consumer."""

    def __init__(
        self,
        world: World,
        incarnation: str,
        steps: Steps,
        *,
        linger_s: float = 0.0,
        down_after_s: float = 3.0,
        replay_span: int = 0,
    ) -> None:
        self.world = world
        self.steps = steps
        self.incarnation = incarnation
        self.channels: dict[str, Channel] = {}
        self.metrics = AdapterMetrics(CollectorRegistry())
        kafka, clock = world.kafka.seen_by(steps), world.clock
        self.reporter = Reporter(kafka, clock, "instance", incarnation)
        self.table = ChannelTable(
            self.channels, lambda config: world.carriers[config.channel], clock
        )
        self.remembered = RememberedIds(1000)
        self.holds = Holds(self._wake_all)
        self.intake = Intake(
            self.channels,
            self.table,
            world.store.seen_by(steps),
            kafka,
            clock,
            incarnation,
            metrics=self.metrics,
            remembered=self.remembered,
            holds=self.holds,
            replay_span=replay_span,
        )
        self._works = [self.intake.writer.run, self.intake.inquiry.run, self.intake.closing.run]
        for name, config in world.configs.items():
            channel = Channel(name, clock, down_after_s, self.metrics, self.reporter.wake)
            self.channels[name] = channel
            self._works.append(Pump(channel, self.intake.desk, linger_s).run)
            self.table.on_configured(name, config)
        self._tasks: list[asyncio.Task[None]] = []

    def _wake_all(self) -> None:
        for channel in self.channels.values():
            channel.wake.set()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(work()) for work in self._works]
        await settle()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        """Stop it where it stands."""
        self.steps.dead.set()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    def check(self) -> None:
        """Raise what a background task has raised."""
        for task in self._tasks:
            if task.done():
                task.result()

    def read(self, *plans: AttemptPlanned, **how: Any) -> list[Opened]:
        """Read records of these plans."""
        opened = [self.world.opened(planned, **how) for planned in plans]
        self.intake.take([one.record for one in opened])
        return opened

    def hold(self, kind: HoldKind, held_id: str, **how: Any) -> None:
        """Hear that something is held, or no longer."""
        happening = hold(kind, held_id, **how)
        self.holds.on_changed(happening.key(), happening)

    def revoke(self, records: Iterable[Opened]) -> None:
        for one in records:
            one.record.revoke()
        self.intake.forget([one.record for one in records])

    async def turn(self, seconds: float = 0.0) -> None:
        await self.world.clock.turn(seconds)
        self.check()
