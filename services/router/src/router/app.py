"""Composition of the router: the only file that constructs things."""

import os
from collections.abc import Mapping

from router.adapters.table_path import TablePath
from router.adapters.topic_check import KafkaTopics
from router.api import make_api
from router.api.access import Access
from router.channels import Channels
from router.handlers import GROUPS, RoutingHandler
from router.health_watch import REPLAYED_S, HealthWatch
from router.metrics import RouterMetrics
from router.service import PlanAttempts
from router.settings import RouterSettings
from yizhan_contracts.events import (
    NO_CHANNEL,
    ChannelConfigured,
    ChannelOverridden,
    ChannelReported,
    DeliveryReported,
    HoldChanged,
    Lane,
)
from yizhan_contracts.topics import (
    CHANNEL_CONFIGURED,
    CHANNEL_OVERRIDDEN,
    CHANNEL_REPORTED,
    DELIVERY_REPORTED,
    HOLD_CHANGED,
    attempt_planned,
)
from yizhan_contracts.topics import Service as Name
from yizhan_runtime.clock import Clock, SystemClock
from yizhan_runtime.logs import get_logger
from yizhan_runtime.records import contract
from yizhan_runtime.service import Service
from yizhan_runtime.tokens import TokenReader
from yizhan_telecom.choice import Chooser, Table
from yizhan_telecom.health import Health

log = get_logger(__name__)


def build(
    settings: RouterSettings | None = None,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Service:
    """Compose the router. Raises BadTable when the channel table is wrong."""
    settings = settings or RouterSettings()
    service = Service(Name.ROUTER, settings, clock=clock or SystemClock())
    service.needs(attempt_planned(NO_CHANNEL, lane) for lane in Lane)
    metrics = RouterMetrics(service.registry)
    health = Health()
    watch = HealthWatch(health, metrics, service.clock)
    chooser = Chooser(Table(()), health)
    channels = Channels(
        TablePath(settings.router_channels_file),
        KafkaTopics(settings),
        service.publisher,
        metrics,
        service.clock,
        environ,
    )
    channels.load()
    channels.on_table(watch.use)
    channels.on_table(chooser.use)
    _add_channels(service, settings, channels, watch)
    planning = PlanAttempts(
        chooser,
        health,
        watch,
        service.publisher,
        metrics,
        service.clock,
        patience_s=settings.router_patience_s,
    )
    handler = RoutingHandler(planning)
    for group, topics in GROUPS.items():
        service.consume_batches(
            group, [handler.route(topics)], max_records=settings.router_batch_records
        )
    if not (settings.internal_token.get_secret_value() or settings.tokens_url):
        log.warning("YIZHAN_INTERNAL_TOKEN is empty: the HTTP routes refuse everybody")
    access = Access(settings.internal_token, TokenReader(settings.tokens_url, service.clock))
    service.http.include_router(make_api(channels, chooser, health, watch, access))
    return service


def _add_channels(
    service: Service, settings: RouterSettings, channels: Channels, watch: HealthWatch
) -> None:
    # Nothing is planned before it is known which channels have their topics.
    service.on_start(channels.check_topics)
    service.read_table(CHANNEL_CONFIGURED.name, contract(ChannelConfigured), channels.on_configured)
    service.read_table(CHANNEL_OVERRIDDEN.name, contract(ChannelOverridden), channels.on_overridden)
    service.read_table(HOLD_CHANGED.name, contract(HoldChanged), channels.on_hold)
    reports = ((CHANNEL_REPORTED, ChannelReported), (DELIVERY_REPORTED, DeliveryReported))
    for topic, report in reports:
        service.read_table(topic.name, contract(report), watch.on_reported, recent_s=REPLAYED_S)

    async def catch_up() -> None:
        watch.catch_up()

    service.on_tables_read(catch_up)

    async def look_for_ever() -> None:
        while True:
            await channels.look()
            watch.advance()
            await service.clock.sleep(settings.router_reload_s)

    service.background("channels", look_for_ever)
