"""Composition of the push: called by ``app`` alone, which constructs everything else."""

from dataclasses import dataclass
from typing import Any

from receipts import handlers
from receipts.access import Access
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.metrics import Metrics
from receipts.push.adapters.batches import MongoBatches
from receipts.push.adapters.endpoints import ENDPOINTS, MongoEndpoints
from receipts.push.adapters.events import MongoEvents
from receipts.push.adapters.http import HttpCustomers
from receipts.push.adapters.mongo import MongoWaiting
from receipts.push.adapters.replays import MongoReplays
from receipts.push.adapters.results import MongoResults
from receipts.push.announcing import Announcing, Events, Hearing, ReplySource
from receipts.push.api import EndpointApi
from receipts.push.batches import Batches
from receipts.push.endpoints import About
from receipts.push.endpoints_file import EndpointsFile, load_endpoints
from receipts.push.lanes import Lanes
from receipts.push.later import Later
from receipts.push.managing import ManageEndpoints, apply_seeds
from receipts.push.replaying import Replaying, ReplayTerms
from receipts.push.results import Results
from receipts.push.sampling import Sampling
from receipts.push.service import Pusher, PushTerms
from receipts.push.speaker import Speaker
from receipts.settings import ReceiptsSettings
from yizhan_runtime import Service
from yizhan_runtime.feed import Feed
from yizhan_runtime.vault import Vault, materials_of

_LOOK_AHEAD = 2000
"""A record is open for as long as a customer's answer may take, up to our patience."""
_FEED_EVERY_S = 1.0


@dataclass(frozen=True)
class Given:
    """What the push is made of that is not its own."""

    service: Service
    settings: ReceiptsSettings
    ledger: MongoLedger
    replies: ReplySource
    access: Access
    metrics: Metrics
    owner: str
    """This replica's name."""


def add_push(given: Given) -> Announcing:
    """Compose the push; give what takes in events. Raises Misconfigured."""
    service = given.service
    file = load_endpoints(given.settings.receipts_endpoints_file)
    customers = HttpCustomers(file.guard())
    service.on_start(customers.open)
    waiting, events = MongoWaiting(service.mongo()), MongoEvents(service.mongo())
    service.on_start(waiting.prepare)
    service.on_start(events.prepare)
    lanes = Lanes(_speakers(given, customers, events))
    manage = _add_endpoints(given, file, customers, lanes)
    _add_pusher(given, lanes, waiting)
    later = Later(lanes, waiting, service.clock, given.metrics, given.owner)
    service.background("later pushes", later.run)
    _add_replays(given, lanes, waiting, manage)
    service.on_stop(customers.close)
    announcing = Announcing(lanes, events, waiting, later.wake, service.clock, given.metrics)
    _add_events(given, lanes, waiting, announcing)
    return announcing


def _speakers(
    given: Given, customers: HttpCustomers, events: MongoEvents
) -> dict[About, Speaker[Any]]:
    clock, metrics = given.service.clock, given.metrics
    results = Results(MongoResults(given.ledger))
    return {
        About.RESULTS: Speaker(results, customers, clock, metrics),
        About.EVENTS: Speaker(Events(events, given.replies), customers, clock, metrics),
    }


def _add_events(given: Given, lanes: Lanes, waiting: MongoWaiting, announcing: Announcing) -> None:
    service, store = given.service, MongoBatches(given.service.mongo())
    batches = Batches(lanes, store, given.ledger, waiting, announcing, service.clock, given.owner)
    service.on_start(store.prepare)
    service.background("batches", batches.run)
    hearing = Hearing(announcing, given.ledger)
    service.consume_batches(handlers.EVENTS_GROUP, handlers.event_routes(hearing, batches))


def _add_endpoints(
    given: Given, file: EndpointsFile, customers: HttpCustomers, lanes: Lanes
) -> ManageEndpoints:
    service = given.service
    materials = materials_of(given.settings.receipts_vault_keys)
    vault = Vault(materials, "YIZHAN_RECEIPTS_VAULT_KEYS")
    store = MongoEndpoints(service.mongo(), vault, service.clock)
    feed = Feed(
        service.mongo(),
        ENDPOINTS,
        lambda document: lanes.put(store.read(document)),
        service.clock,
        _FEED_EVERY_S,
    )
    service.on_start(store.prepare)
    service.on_start(lambda: apply_seeds(store, file.seeds()))
    service.on_start(feed.load)
    service.background("endpoints", feed.run)
    return ManageEndpoints(store, customers, lanes.put, service.clock, can_seal=vault.can_seal)


def _add_pusher(given: Given, lanes: Lanes, waiting: MongoWaiting) -> None:
    service, settings = given.service, given.settings
    terms = PushTerms(
        gather_s=settings.receipts_push_gather_s, patience_s=settings.receipts_push_patience_s
    )
    pusher = Pusher(lanes, waiting, service.clock, given.metrics, terms, service.fail)
    service.consume_window(
        handlers.PUSH_GROUP,
        handlers.push_routes(),
        pusher.take,
        on_revoked=pusher.forget,
        look_ahead=_LOOK_AHEAD,
        max_span=4 * _LOOK_AHEAD,
    )
    service.background("aged pushes", pusher.run)
    service.on_stop(pusher.stop)


def _add_replays(
    given: Given, lanes: Lanes, waiting: MongoWaiting, manage: ManageEndpoints
) -> None:
    service = given.service
    replays = MongoReplays(service.mongo())
    terms = ReplayTerms(per_s=given.settings.receipts_replay_per_s)
    replaying = Replaying(lanes, replays, waiting, service.clock, given.metrics, given.owner, terms)
    service.on_start(replays.prepare)
    service.background("replays", replaying.run)
    sampling = Sampling(lanes, service.clock)
    api = EndpointApi(manage, replays, sampling, given.access, service.clock)
    service.http.include_router(api.router())
