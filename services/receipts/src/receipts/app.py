"""Composition of receipts: the only file that constructs things."""

import secrets
import socket
from datetime import timedelta

from receipts import handlers
from receipts.access import Access
from receipts.api import make_router
from receipts.erasure.adapters.mongo import MongoErasures
from receipts.erasure.adapters.stores import ErasedStores
from receipts.erasure.api import make_erasures_router
from receipts.erasure.service import Eraser, Erasures, ErasureTerms
from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.adapters.rows import LedgerRows
from receipts.exports.api import make_exports_router
from receipts.exports.runner import ExportRunner, ExportTerms
from receipts.exports.service import Exports
from receipts.ledger.adapters.balance import MongoBalance
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.feeds import MongoFeeds
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.ledger.adapters.unmatched import MongoUnmatched
from receipts.ledger.api import make_operating_router
from receipts.ledger.balance import Balance
from receipts.ledger.catching_up import CatchingUp
from receipts.ledger.consequences import Consequences
from receipts.ledger.conservation import Conservation
from receipts.ledger.deliveries import Deliveries
from receipts.ledger.feeds import Feeds
from receipts.ledger.full_sweep import FullSweep, FullSweepTerms
from receipts.ledger.reporting import DeliveryReporter
from receipts.ledger.service import Ledger, Terms
from receipts.ledger.sweeper import Acting, Sweeper, SweepTerms
from receipts.ledger.unmatched import Ageing
from receipts.ledger.waiting import Waiting, load_waiting
from receipts.metrics import Metrics
from receipts.push.adapters.http import HttpCustomers
from receipts.push.adapters.mongo import MongoPush
from receipts.push.endpoints import load_endpoints
from receipts.push.lanes import Lanes
from receipts.push.later import Later
from receipts.push.service import Pusher, PushTerms
from receipts.push.speaker import Speaker
from receipts.replies.adapters.mongo import MongoReplies
from receipts.replies.api import make_replies_router
from receipts.replies.service import Replies
from receipts.retention.adapters.mongo import MongoRetention
from receipts.retention.api import make_retention_router
from receipts.retention.policy import load_policies
from receipts.retention.service import Retention, RetentionTerms
from receipts.settings import ReceiptsSettings
from yizhan_contracts import topics
from yizhan_contracts.topics import Service as Name
from yizhan_runtime import Clock, Service, SystemClock, get_logger
from yizhan_runtime.tokens import TokenReader

log = get_logger(__name__)

_LOOK_AHEAD = 2000
"""Of the push: a record is open for as long as a customer's answer may take, up to our patience."""

_PATIENCE_S = 900.0
"""For writing a week of the ledger anew."""


def build(settings: ReceiptsSettings | None = None, *, clock: Clock | None = None) -> Service:
    """Compose the service. Raises Misconfigured; does no I/O but reading files."""
    settings = settings or ReceiptsSettings()
    clock = clock or SystemClock()
    service = Service(Name.RECEIPTS, settings, clock=clock)
    metrics = Metrics(service.registry)
    store = MongoLedger(service.mongo(), clock)
    service.on_start(store.prepare)
    if not settings.internal_token.get_secret_value():
        log.warning("YIZHAN_INTERNAL_TOKEN is empty: no operator and no service is let in")
    waiting = load_waiting(settings.receipts_waiting_file)
    feeds = Feeds(MongoFeeds(store), clock, metrics, waiting.missing_feeds)
    terms = _terms(settings, waiting)
    ledger = _add_ledger(service, settings, store, metrics, feeds, terms)
    _add_push(service, settings, store, metrics)
    access = Access(settings.internal_token, TokenReader(settings.tokens_url, clock))
    _add_replies(service, store, access, metrics)
    _add_exports(service, settings, store, access, metrics)
    patient = service.mongo().patient(_PATIENCE_S)
    service.on_stop(patient.stop)
    eraser = LedgerEraser(store, patient)
    _add_retention(service, settings, eraser, access, metrics)
    _add_erasures(service, settings, eraser, access, metrics)
    _add_operating(service, store, metrics, feeds, access, terms)
    conservation = Conservation(MongoBalance(service.mongo(), store), ledger.look, clock)
    service.http.include_router(make_router(store, ledger, conservation, access))
    return service


def _terms(settings: ReceiptsSettings, waiting: Waiting) -> Terms:
    return Terms(
        submit_timeout_s=settings.receipts_submit_timeout_s,
        settle_margin_s=settings.receipts_settle_margin_s,
        deadlines=waiting.deadlines,
    )


def _add_operating(
    service: Service,
    store: MongoLedger,
    metrics: Metrics,
    feeds: Feeds,
    access: Access,
    terms: Terms,
) -> None:
    unmatched = MongoUnmatched(service.mongo(), store)
    service.on_start(unmatched.prepare)
    ageing = Ageing(unmatched, service.clock, metrics, terms.match_within_s)
    service.background("feeds", feeds.run)
    service.background("unmatched receipts", ageing.run)
    service.http.include_router(make_operating_router(feeds, unmatched, access, service.clock))


def _add_ledger(
    service: Service,
    settings: ReceiptsSettings,
    store: MongoLedger,
    metrics: Metrics,
    feeds: Feeds,
    terms: Terms,
) -> Ledger:
    clock, publisher = service.clock, service.publisher
    deliveries = Deliveries(_instance(settings), secrets.token_hex(8))
    consequences = Consequences(store, publisher, clock, metrics, settings.receipts_call_margin_s)
    ledger = Ledger(store, consequences, clock, metrics, deliveries, terms)
    catching_up = CatchingUp(clock, settings.receipts_start_grace_s)
    acting = Acting(consequences, clock, metrics, deliveries, feeds)
    sweeper = Sweeper(
        store,
        ledger,
        acting,
        clock,
        metrics,
        catching_up,
        SweepTerms(margin_s=settings.receipts_sweep_margin_s),
    )
    full_sweep = FullSweep(
        store, ledger, acting, clock, metrics, catching_up, _full_sweep_terms(settings)
    )
    service.needs((topics.MESSAGE_SETTLED, topics.REROUTE_REQUESTED, topics.VOICE_REQUESTED))
    service.needs((topics.DELIVERY_REPORTED,))
    service.consume_batches(
        handlers.LEDGER_GROUP,
        handlers.ledger_routes(ledger, catching_up),
        max_records=settings.receipts_batch_records,
    )
    service.background("sweep", sweeper.run)
    service.background("full sweep", full_sweep.run)
    balance = Balance(
        store=MongoBalance(service.mongo(), store),
        clock=clock,
        metrics=metrics,
        catching_up=catching_up,
        period_s=settings.receipts_full_sweep_period_s,
        reach_s=settings.receipts_full_sweep_reach_s,
    )
    service.background("balance", balance.run)
    service.background("delivery reports", DeliveryReporter(deliveries, publisher, clock).run)
    return ledger


def _add_replies(service: Service, ledger: MongoLedger, access: Access, metrics: Metrics) -> None:
    store = MongoReplies(service.mongo(), ledger)
    service.on_start(store.prepare)
    replies = Replies(store, service.clock, metrics)
    service.consume_batches(handlers.REPLIES_GROUP, [handlers.reply_route(replies)])
    service.http.include_router(make_replies_router(store, access, service.clock))


def _add_exports(
    service: Service,
    settings: ReceiptsSettings,
    ledger: MongoLedger,
    access: Access,
    metrics: Metrics,
) -> None:
    store, rows = MongoExports(service.mongo()), LedgerRows(ledger)
    terms = ExportTerms(
        share=settings.receipts_export_share, lease_s=settings.receipts_export_lease_s
    )
    kept = timedelta(days=settings.receipts_export_kept_days)
    runner = ExportRunner(store, rows, service.clock, metrics, _instance(settings), terms)
    service.on_start(store.prepare)
    service.background("exports", runner.run)
    exports = Exports(store, rows, service.clock, kept)
    service.http.include_router(make_exports_router(exports, access, service.clock))


def _add_retention(
    service: Service,
    settings: ReceiptsSettings,
    eraser: LedgerEraser,
    access: Access,
    metrics: Metrics,
) -> None:
    kept, policies = (
        MongoRetention(service.mongo()),
        load_policies(settings.receipts_retention_file),
    )
    retention = Retention(
        eraser,
        kept,
        policies,
        service.clock,
        metrics,
        _instance(settings),
        RetentionTerms(
            period_s=settings.receipts_retention_period_s, share=settings.receipts_retention_share
        ),
    )
    service.background("retention", retention.run)
    service.http.include_router(make_retention_router(kept, policies, access))


def _add_erasures(
    service: Service,
    settings: ReceiptsSettings,
    ledger: LedgerEraser,
    access: Access,
    metrics: Metrics,
) -> None:
    mongo, clock = service.mongo(), service.clock
    store = MongoErasures(mongo)
    eraser = Eraser(
        store,
        ErasedStores(mongo, ledger, MongoExports(mongo)),
        clock,
        metrics,
        _instance(settings),
        ErasureTerms(lag_s=settings.receipts_erasure_lag_s),
    )
    service.on_start(store.prepare)
    service.background("erasures", eraser.run)
    erasures = Erasures(store, clock, settings.receipts_erasure_key)
    service.http.include_router(make_erasures_router(erasures, access))


def _full_sweep_terms(settings: ReceiptsSettings) -> FullSweepTerms:
    return FullSweepTerms(
        period_s=settings.receipts_full_sweep_period_s,
        reach_s=settings.receipts_full_sweep_reach_s,
        min_age_s=settings.receipts_full_sweep_min_age_s,
    )


def _add_push(
    service: Service, settings: ReceiptsSettings, ledger: MongoLedger, metrics: Metrics
) -> None:
    clock = service.clock
    endpoints = load_endpoints(settings.receipts_endpoints_file)
    store = MongoPush(service.mongo(), ledger)
    customers = HttpCustomers(endpoints.guard())
    lanes = Lanes(endpoints.endpoints)
    speaker = Speaker(store, customers, clock, metrics)
    terms = PushTerms(
        gather_s=settings.receipts_push_gather_s, patience_s=settings.receipts_push_patience_s
    )
    pusher = Pusher(lanes, store, speaker, clock, metrics, terms, service.fail)
    later = Later(lanes, store, speaker, clock, metrics, _instance(settings))
    service.on_start(store.prepare)
    service.on_start(customers.open)
    service.consume_window(
        handlers.PUSH_GROUP,
        handlers.push_routes(),
        pusher.take,
        on_revoked=pusher.forget,
        look_ahead=_LOOK_AHEAD,
        max_span=4 * _LOOK_AHEAD,
    )
    service.background("aged pushes", pusher.run)
    service.background("later pushes", later.run)
    service.on_stop(pusher.stop)
    service.on_stop(customers.close)


def _instance(settings: ReceiptsSettings) -> str:
    """Name this replica: two that run at the same time never share a name."""
    return settings.instance or f"{socket.gethostname()}-{settings.http_port}"
