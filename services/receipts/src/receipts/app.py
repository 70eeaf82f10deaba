"""Composition of receipts: this file, ``keeping`` and ``push.composing`` construct things."""

import secrets
import socket

from receipts import handlers, openapi
from receipts.access import Access
from receipts.api import make_router
from receipts.bad_input import tell_bad_input
from receipts.keeping import add_keeping
from receipts.ledger.adapters.balance import MongoBalance
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
from receipts.log.adapters.mongo import MongoLog
from receipts.log.adapters.pushes import MongoWaitingPushes
from receipts.log.api import make_log_router
from receipts.log.as_of import Completeness
from receipts.log.service import MessageLog
from receipts.log.trace import Trace
from receipts.log.trace_api import make_trace_router
from receipts.metrics import Metrics
from receipts.push.announcing import Announcing
from receipts.push.composing import Given, add_push
from receipts.replies.adapters.mongo import MongoReplies
from receipts.replies.api import make_replies_router
from receipts.replies.conversations import Conversations
from receipts.replies.searching import ReplySearch
from receipts.replies.service import Replies
from receipts.replies.shown import RepliesTo
from receipts.settings import ReceiptsSettings
from yizhan_contracts import topics
from yizhan_contracts.topics import Service as Name
from yizhan_runtime import Clock, Service, SystemClock, get_logger
from yizhan_runtime.progress import GroupProgress
from yizhan_runtime.retrying import retry_group
from yizhan_runtime.tokens import TokenReader

log = get_logger(__name__)


def build(settings: ReceiptsSettings | None = None, *, clock: Clock | None = None) -> Service:
    """Compose the service. Raises Misconfigured; does no I/O but reading files."""
    settings = settings or ReceiptsSettings()
    clock = clock or SystemClock()
    service = Service(Name.RECEIPTS, settings, clock=clock)
    tell_bad_input(service.http)
    metrics = Metrics(service.registry)
    store = MongoLedger(service.mongo(), clock)
    service.on_start(store.prepare)
    if not settings.internal_token.get_secret_value():
        log.warning("YIZHAN_INTERNAL_TOKEN is empty: no operator and no service is let in")
    waiting = load_waiting(settings.receipts_waiting_file)
    feeds = Feeds(MongoFeeds(store), clock, metrics, waiting.missing_feeds)
    terms = _terms(settings, waiting)
    ledger = _add_ledger(service, settings, store, metrics, feeds, terms)
    access = Access(settings.internal_token, TokenReader(settings.tokens_url, clock))
    replies = MongoReplies(service.mongo(), store)
    announcing = add_push(
        Given(service, settings, store, replies, access, metrics, _instance(settings))
    )
    _add_replies(service, replies, announcing, metrics)
    add_keeping(service, settings, store, access, metrics, _instance(settings))
    _add_operating(service, store, metrics, feeds, access, terms)
    conservation = Conservation(MongoBalance(service.mongo(), store), ledger.look, clock)
    service.http.include_router(make_router(ledger, conservation, access))
    _add_log(service, settings, store, replies, access, metrics)
    openapi.complete(service.http)
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


def _add_replies(
    service: Service, store: MongoReplies, announcing: Announcing, metrics: Metrics
) -> None:
    service.on_start(store.prepare)
    replies = Replies(store, announcing, service.clock, metrics)
    service.consume_batches(handlers.REPLIES_GROUP, [handlers.reply_route(replies)])


def _add_log(
    service: Service,
    settings: ReceiptsSettings,
    ledger: MongoLedger,
    reply_store: MongoReplies,
    access: Access,
    metrics: Metrics,
) -> None:
    """Add what people read. Called last: what the ledger is complete of is what is consumed."""
    clock, mongo = service.clock, service.mongo()
    message_log = MessageLog(MongoLog(mongo, ledger.weekly, clock), clock, metrics)
    search = ReplySearch(reply_store, clock)
    conversations = Conversations(message_log, search, ledger)
    trace = Trace(ledger, RepliesTo(search), MongoWaitingPushes(mongo))
    completeness = _completeness(service, settings)
    service.background("completeness", completeness.watch)
    service.on_stop(completeness.close)
    for router in (
        make_log_router(message_log, completeness, access, clock),
        make_trace_router(trace, completeness, access),
        make_replies_router(search, conversations, completeness, access),
    ):
        service.http.include_router(router)


def _completeness(service: Service, settings: ReceiptsSettings) -> Completeness:
    """Watch what fills the ledger, and what was set aside of it."""
    retries = frozenset(retry_group(service.name, delay) for delay in topics.RETRY_DELAYS_S)
    watched = retries | {handlers.LEDGER_GROUP, handlers.REPLIES_GROUP}
    groups = {group: its for group, its in service.groups().items() if group in watched}
    return Completeness(GroupProgress(settings, groups), retries, service.clock)


def _full_sweep_terms(settings: ReceiptsSettings) -> FullSweepTerms:
    return FullSweepTerms(
        period_s=settings.receipts_full_sweep_period_s,
        reach_s=settings.receipts_full_sweep_reach_s,
        min_age_s=settings.receipts_full_sweep_min_age_s,
    )


def _instance(settings: ReceiptsSettings) -> str:
    """Name this replica: two that run at the same time never share a name."""
    return settings.instance or f"{socket.gethostname()}-{settings.http_port}"
