"""Composition root of the carrier-adapter: the only place where things are constructed."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

from carrier_adapter import api, retention
from carrier_adapter.adapters.mongo import MongoAttemptStore, MongoReplyParts
from carrier_adapter.conservation import Conservation, ConservationWatch
from carrier_adapter.domain.sharing import shares
from carrier_adapter.handlers import planned_routes, planned_topics
from carrier_adapter.making import CarrierMaker
from carrier_adapter.metrics import AdapterMetrics
from carrier_adapter.receiving.remembered import RememberedIds
from carrier_adapter.receiving.taking import Taking
from carrier_adapter.receiving.webhook import Webhook
from carrier_adapter.reporting import Reporter
from carrier_adapter.sending.channel import Channel
from carrier_adapter.sending.intake import Intake
from carrier_adapter.sending.pump import Pump
from carrier_adapter.settings import AdapterSettings
from carrier_adapter.table import ChannelTable, MakeCarrier
from yizhan_contracts import topics
from yizhan_contracts.events import NO_CHANNEL, ChannelConfigured, HoldChanged
from yizhan_contracts.topics import CHANNEL_CONFIGURED, HOLD_CHANGED
from yizhan_runtime.clock import Clock, SystemClock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.kafka import describe_topics
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import contract
from yizhan_runtime.service import Service
from yizhan_runtime.table import TableReader
from yizhan_telecom.holds import Holds

log = get_logger(__name__)

_LOOK_FOR_TOPICS_S = 10.0


def build(
    settings: AdapterSettings | None = None,
    *,
    clock: Clock | None = None,
    make_carrier: MakeCarrier | None = None,
    environment: Mapping[str, str] = os.environ,
    new_incarnation: Callable[[], str] = secrets.token_hex,
) -> Service:
    """Compose the service. Every process draws an incarnation of its own: it is on its claims."""
    settings = settings or AdapterSettings()
    service = Service(topics.Service.CARRIER_ADAPTER, settings, clock=clock or SystemClock())
    adapter = _Adapter(service, settings, environment, new_incarnation(), make_carrier)
    named = settings.channels()
    if named is None:
        service.on_start(adapter.serve_all)
        service.background("new channels", adapter.watch_for_new)
    else:
        adapter.serve(named - {NO_CHANNEL})
    return service


class _Adapter:
    """The parts, and how they are joined."""

    def __init__(
        self,
        service: Service,
        settings: AdapterSettings,
        environment: Mapping[str, str],
        incarnation: str,
        make_carrier: MakeCarrier | None,
    ) -> None:
        self._service = service
        self._settings = settings
        self._metrics = AdapterMetrics(service.registry)
        self._channels: dict[str, Channel] = {}
        self._is_new = asyncio.Event()
        remembered = RememberedIds(settings.adapter_remembered_ids)
        store, reply_parts = MongoAttemptStore(service.mongo()), MongoReplyParts(service.mongo())
        taking = Taking(
            service.publisher, remembered, reply_parts, service.clock, self._metrics, service.fail
        )
        maker = CarrierMaker(
            environment, settings.adapter_callback_url, taking, service.clock, self._metrics
        )
        self._table = ChannelTable(
            self._channels, make_carrier or maker.make, service.clock, self._is_new.set
        )
        holds = Holds(self._wake_all, service.hurry_parked)
        self._intake = Intake(
            self._channels,
            self._table,
            store,
            service.publisher,
            service.clock,
            incarnation,
            metrics=self._metrics,
            remembered=remembered,
            holds=holds,
            replay_span=settings.adapter_max_span,
        )
        self._reporter = Reporter(
            service.publisher, service.clock, _instance(settings), incarnation
        )
        conservation = Conservation(store, service.clock)
        service.http.router.routes.extend(Webhook(taking, self._table.find, maker.token).routes())
        service.http.include_router(api.router(self._channels, self._intake, conservation))
        service.read_table(
            CHANNEL_CONFIGURED.name, contract(ChannelConfigured), self._table.on_configured
        )
        service.read_table(HOLD_CHANGED.name, contract(HoldChanged), holds.on_changed)
        keep = timedelta(days=settings.adapter_keep_days)
        service.background("facts", self._intake.writer.run)
        service.background("inquiry", self._intake.inquiry.run)
        service.background("closing", self._intake.closing.run)
        service.background("reports", lambda: self._reporter.run(self._channels))
        service.background("replaced carriers", self._table.close_replaced)
        service.on_start(reply_parts.prepare)
        service.background("left-over replies", taking.publish_left_over)
        watch = ConservationWatch(conservation, service.clock, self._metrics, keep.total_seconds())
        service.background("claims without outcome", watch.run)
        service.background("retention", lambda: retention.drop_old(store, service.clock, keep))
        service.on_stop(self._table.close_all)

    def serve(self, names: Iterable[str]) -> None:
        """Read and send what is planned for these channels, and report what has none."""
        settings, clock = self._settings, self._service.clock
        for name in sorted(names):
            channel = Channel(
                name,
                clock,
                settings.adapter_down_after_s,
                self._metrics,
                self._reporter.wake,
            )
            self._channels[name] = channel
            pump = Pump(channel, self._intake.desk, settings.adapter_linger_ms / 1000)
            self._service.background(f"channel {name}", pump.run)
        self._service.consume_window(
            topics.Service.CARRIER_ADAPTER,
            planned_routes({*self._channels, NO_CHANNEL}),
            self._intake.take,
            on_revoked=self._intake.forget,
            on_held=self._share,
            look_ahead=settings.adapter_look_ahead,
            max_span=settings.adapter_max_span,
        )

    def _wake_all(self) -> None:
        for channel in self._channels.values():
            channel.wake.set()

    def _share(self, held: Collection[tuple[str, int]]) -> None:
        for name, share in shares(self._channels, held).items():
            self._channels[name].hold(share)

    async def serve_all(self) -> None:
        """Serve every channel that is configured now and has its topics."""
        configured: dict[str, ChannelConfigured | None] = {}
        reader = TableReader(
            self._settings,
            self._service.clock,
            CHANNEL_CONFIGURED.name,
            contract(ChannelConfigured),
            configured.__setitem__,
        )
        await reader.start()
        await reader.stop()
        names = [name for name, config in configured.items() if config is not None]
        self.serve(await self._with_topics(names))

    async def watch_for_new(self) -> None:
        """End the process, to be started again, once a new channel and its topics are there.

        Topics are subscribed to at the start: a restart is how a process takes new ones up, and it
        costs what any restart costs. What is in hand is drained first.
        """
        while True:
            await self._is_new.wait()
            unserved = list(self._table.unserved())
            if ready := await self._with_topics(unserved):
                raise Retryable(f"new channels, starting again to serve them: {', '.join(ready)}")
            if not unserved:
                self._is_new.clear()
            await self._service.clock.sleep(_LOOK_FOR_TOPICS_S)

    async def _with_topics(self, channels: Iterable[str]) -> list[str]:
        """Give the channels whose topics are all there, and say which are not."""
        topics_of = {
            channel: [self._settings.namespace + topic for topic in planned_topics(channel)]
            for channel in channels
        }
        found = await describe_topics(
            self._settings, [topic for names in topics_of.values() for topic in names]
        )
        ready = [name for name, wanted in topics_of.items() if all(map(found.get, wanted))]
        for channel in topics_of.keys() - ready:
            log.warning("a channel has no topics yet", extra={"channel": channel})
        return ready


def _instance(settings: AdapterSettings) -> str:
    """Name this instance in its reports: the same after a restart, which replaces them."""
    return settings.instance or f"{socket.gethostname()}-{settings.http_port}"
