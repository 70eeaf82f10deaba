"""Composition of ingest: the only file that constructs things."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from ingest.accounts.api import make_router as make_account_router
from ingest.accounts.snapshot import Snapshot
from ingest.accounts.store import AccountStore
from ingest.adapters.catalogue_file import FileCatalogue, load_catalogue
from ingest.adapters.mongo import MongoAnswers, MongoInputs, MongoMarks
from ingest.adapters.mongo_keys import KEYS, MongoKeys
from ingest.adapters.mongo_limits import MongoCounters, MongoSlots
from ingest.content.files import WordFiles
from ingest.events.service import TakeShipmentEvents
from ingest.handlers import ReplyHandler, SettledHandler, ShipmentHandler
from ingest.holds.api import make_router as make_hold_router
from ingest.holds.service import ManageHolds
from ingest.holds.store import HoldStore
from ingest.keys.api import make_router
from ingest.keys.callers import Authenticator
from ingest.keys.domain import KeyTable
from ingest.keys.seeds import seeded
from ingest.keys.service import ManageKeys, apply_seeds
from ingest.keys.token_api import make_token_router
from ingest.keys.tokens import TokenIssuer
from ingest.limits.admitting import Admission
from ingest.limits.allowance import Allowance
from ingest.limits.throttle import Throttle
from ingest.metrics import IngestMetrics
from ingest.optouts.api import make_router as make_opt_out_router
from ingest.optouts.service import OptOuts
from ingest.optouts.store import MongoStops
from ingest.ports import Content
from ingest.previewing.api import make_router as make_preview_router
from ingest.previewing.service import Previews
from ingest.quota.api import make_router as make_quota_router
from ingest.quota.booking import Booking
from ingest.quota.keeper import Keeper
from ingest.quota.leases import Terms
from ingest.quota.mongo import MongoWallets
from ingest.quota.purse import Purse
from ingest.quota.reminding import Reminding
from ingest.quota.returns import Returns
from ingest.quota.seeds import seed as seed_wallets
from ingest.requests.api import Api, BodySizes
from ingest.requests.many import AcceptMany
from ingest.requests.service import AcceptRequests, Limits
from ingest.retention import forget_old_inputs
from ingest.reviews.api import make_routers as make_review_routers
from ingest.reviews.book import Book
from ingest.reviews.service import Reviews
from ingest.reviews.store import ReviewStore
from ingest.settings import IngestSettings
from yizhan_contracts.ids import RandomBits
from yizhan_contracts.topics import (
    ACCOUNT_NOTIFIED,
    BATCH_CLOSED,
    HOLD_CHANGED,
    MESSAGE_ACCEPTED,
    SHIPMENT_ANSWERED,
)
from yizhan_contracts.topics import Service as Name
from yizhan_runtime.aside import SetAside
from yizhan_runtime.batch import BatchRoute
from yizhan_runtime.clock import Clock, SystemClock
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.feed import Feed
from yizhan_runtime.service import Service
from yizhan_runtime.vault import Vault


class Role(StrEnum):
    """What a process does: apart where they would disturb each other."""

    API = "api"
    EVENTS = "events"


ALL = frozenset(Role)


@dataclass(frozen=True)
class _Shared:
    """What both doors are made of."""

    service: Service
    settings: IngestSettings
    catalogue: Snapshot
    content: Content
    inputs: MongoInputs
    purse: Purse
    wallets: MongoWallets
    holds: HoldStore
    stops: MongoStops
    metrics: IngestMetrics
    random_bits: RandomBits


def build(
    settings: IngestSettings | None = None,
    *,
    roles: Collection[Role] = ALL,
    clock: Clock | None = None,
    random_bits: RandomBits = secrets.randbits,
) -> Service:
    """Compose ingest. Raises BadCatalogue when the accounts file is wrong."""
    settings = settings or IngestSettings()
    seed = load_catalogue(settings.ingest_accounts_file)
    service = Service(Name.INGEST, settings, clock=clock or SystemClock())
    content = WordFiles(settings.words_dir)
    service.background("word lists", lambda: content.follow(service.clock))
    catalogue, accounts = _add_accounts(service, seed)
    reviews = _add_reviews(service, seed, catalogue, content)
    service.needs(MESSAGE_ACCEPTED)
    metrics = IngestMetrics(service.registry)
    inputs = MongoInputs(service.mongo())
    service.on_start(inputs.ensure_indexes)
    purse, wallets = _add_quota(service, settings, seed, inputs, metrics)
    _add_reminders(service, wallets, catalogue)
    holds = _add_holds(service)
    stops = MongoStops(service.mongo())
    service.on_start(stops.ensure_indexes)
    shared = _Shared(
        service,
        settings,
        catalogue,
        content,
        inputs,
        purse,
        wallets,
        holds,
        stops,
        metrics,
        random_bits,
    )
    if Role.API in roles:
        _add_api(shared, seed)
        service.http.include_router(make_hold_router(ManageHolds(holds, catalogue, service.clock)))
        service.http.include_router(make_account_router(accounts, catalogue))
        service.http.include_router(make_quota_router(Booking(wallets)))
        for router in make_review_routers(reviews):
            service.http.include_router(router)
    if Role.EVENTS in roles:
        _add_events(shared)
    _open_when_read(service)
    kept = timedelta(hours=settings.ingest_inputs_kept_h)
    service.background("retention", lambda: forget_old_inputs(inputs, service.clock, kept))
    return service


def _open_when_read(service: Service) -> None:
    """Refuse requests (503) until all start hooks are done: a good key would be unknown before."""
    service.http.state.is_starting = True

    async def open_doors() -> None:
        service.http.state.is_starting = False

    service.on_start(open_doors)


def _add_accounts(service: Service, seed: FileCatalogue) -> tuple[Snapshot, AccountStore]:
    """Bring the file's accounts into the database, and follow what is there."""
    snapshot = Snapshot()
    store = AccountStore(service.mongo(), snapshot.put_facts, service.clock)
    service.on_start(lambda: store.seed(seed.accounts()))
    service.on_start(store.feed.load)
    service.background("accounts", store.feed.run)
    return snapshot, store


def _add_reviews(
    service: Service, seed: FileCatalogue, snapshot: Snapshot, content: Content
) -> Reviews:
    """Bring the file's templates and senders into the database, and follow what is there."""
    book = Book(snapshot.put_templates, snapshot.put_senders)
    store = ReviewStore(service.mongo(), book.take, service.clock)
    reviews = Reviews(book, store, content, service.clock)
    service.on_start(lambda: reviews.seed(seed.accounts()))
    service.background("reviews", store.feed.run)
    return reviews


def _add_quota(
    service: Service,
    settings: IngestSettings,
    seed: FileCatalogue,
    inputs: MongoInputs,
    metrics: IngestMetrics,
) -> tuple[Purse, MongoWallets]:
    """Open the wallets of the file, and keep this process in quota."""
    wallets = MongoWallets(service.mongo(), service.clock)
    purse = Purse(
        wallets,
        inputs,
        service.clock,
        owner=f"{settings.instance or 'ingest'}-{secrets.token_hex(4)}",
        draw_id=lambda: secrets.token_hex(8),
        terms=Terms(settings.ingest_lease_s, settings.ingest_lease_grace_s),
    )
    wallets.watch(purse.put_wallet)
    keeper = Keeper(purse, wallets, inputs, service.publisher, clock=service.clock, metrics=metrics)
    service.on_start(wallets.feed.load)
    service.on_start(lambda: seed_wallets(wallets, seed.accounts()))
    service.background("wallets", wallets.feed.run)
    service.background("leases ahead", keeper.ahead)
    service.background("leases closing", keeper.closing)
    service.background("leases recovering", keeper.recovering)
    service.on_stop(keeper.close_all)
    return purse, wallets


def _add_reminders(service: Service, wallets: MongoWallets, catalogue: Snapshot) -> None:
    service.needs([ACCOUNT_NOTIFIED])
    reminding = Reminding(wallets, catalogue, service.publisher, service.clock)
    wallets.watch(reminding.see)
    service.background("reminders", reminding.run)


def _add_holds(service: Service) -> HoldStore:
    """Follow what is held, and see that everybody is told."""
    service.needs([HOLD_CHANGED])
    store = HoldStore(service.mongo(), service.publisher, service.clock)
    service.on_start(store.ensure_indexes)
    service.on_start(store.feed.load)
    service.background("holds", store.feed.run)
    service.background("holds to be told", store.repair)
    return store


def _add_api(shared: _Shared, seed: FileCatalogue) -> None:
    service, settings = shared.service, shared.settings
    limits = Limits(
        settings.ingest_request_timeout_s,
        settings.ingest_round_requests,
        settings.ingest_waiting_requests,
    )
    requests = AcceptRequests(
        shared.inputs,
        service.publisher,
        shared.content,
        purse=shared.purse,
        holds=shared.holds.holds,
        stops=shared.stops,
        clock=service.clock,
        random_bits=shared.random_bits,
        metrics=shared.metrics,
        limits=limits,
        admission=_add_limits(shared),
    )
    keys = _add_keys(service, settings, seed)
    issuer = TokenIssuer(settings.vault_materials, service.clock)
    service.http.include_router(make_token_router(issuer))
    operator = settings.internal_token.get_secret_value()
    authenticator = Authenticator(
        keys, shared.catalogue, service.clock, operator, issuer.public_keys
    )
    answers = MongoAnswers(service.mongo())
    service.on_start(answers.ensure_indexes)
    many = AcceptMany(
        requests,
        answers,
        service.clock,
        shared.random_bits,
        timeout_s=limits.request_timeout_s,
    )
    service.needs([BATCH_CLOSED])
    sizes = BodySizes(settings.ingest_body_bytes, settings.ingest_many_bytes)
    throttle = Throttle(service.clock, settings.ingest_api_instances)
    api = Api(authenticator, requests, many, shared.metrics, service.clock, sizes, throttle)
    api.mount(service.http)
    opt_outs = OptOuts(shared.stops, shared.catalogue, service.clock)
    service.http.include_router(make_opt_out_router(opt_outs))
    service.http.include_router(make_preview_router(Previews(shared.content, shared.stops)))
    service.background("many recipients", many.collector.run)
    service.background("requests", requests.collector.run)
    service.background("done notes", requests.notes.run)


def _add_limits(shared: _Shared) -> Admission:
    service = shared.service
    counters, slots = MongoCounters(service.mongo()), MongoSlots(service.mongo())
    service.on_start(counters.ensure_indexes)
    service.on_start(slots.ensure_indexes)
    allowance = Allowance(counters, service.clock)
    service.on_stop(allowance.close)
    return Admission(shared.catalogue, shared.inputs, allowance, slots, service.clock)


def _vault(settings: IngestSettings) -> Vault:
    return Vault(settings.vault_materials, "YIZHAN_INGEST_VAULT_KEYS")


def _add_keys(service: Service, settings: IngestSettings, catalogue: FileCatalogue) -> KeyTable:
    vault, table = _vault(settings), KeyTable()
    seeds = seeded(catalogue.accounts(), service.clock.now())
    if not vault.can_seal and any(secret.clear for key in seeds for secret in key.secrets):
        raise Misconfigured("The accounts file holds secrets: set YIZHAN_INGEST_VAULT_KEYS")
    store = MongoKeys(service.mongo(), vault, service.clock)
    feed = Feed(
        service.mongo(), KEYS, lambda document: table.put(store.read(document)), service.clock
    )
    service.on_start(store.ensure_indexes)
    service.on_start(lambda: apply_seeds(store, seeds))
    service.on_start(feed.load)
    service.background("keys", feed.run)
    manage = ManageKeys(store, table, service.clock, can_seal=vault.can_seal)
    service.http.include_router(make_router(manage))
    return table


def _add_events(shared: _Shared) -> None:
    service = shared.service
    service.needs([SHIPMENT_ANSWERED])
    marks = MongoMarks(service.mongo())
    service.on_start(marks.ensure_indexes)
    use_case = TakeShipmentEvents(
        shared.catalogue,
        shared.inputs,
        marks,
        service.publisher,
        shared.content,
        purse=shared.purse,
        holds=shared.holds.holds,
        stops=shared.stops,
        clock=service.clock,
        random_bits=shared.random_bits,
        metrics=shared.metrics,
    )
    set_aside = SetAside(Name.INGEST, service.publisher, service.clock)
    opt_outs = OptOuts(shared.stops, shared.catalogue, service.clock)
    routes: list[BatchRoute[Any]] = [
        ShipmentHandler(use_case, set_aside).route(),
        ReplyHandler(opt_outs).route(),
    ]
    service.consume_batches(Name.INGEST, routes, max_records=shared.settings.ingest_batch_records)
    _add_returns(shared)


def _add_returns(shared: _Shared) -> None:
    """Hear what failed, in a group of its own: it stops no shipment event."""
    service = shared.service
    returns = Returns(
        service.mongo(), shared.inputs, shared.wallets, shared.catalogue, service.clock
    )
    service.on_start(returns.ensure_indexes)
    service.background("returns", returns.run)
    service.consume_batches(f"{Name.INGEST}-settled", [SettledHandler(returns).route()])
