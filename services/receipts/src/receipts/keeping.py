"""Composition of what takes messages out of the ledger: exports, retention, erasure."""

from datetime import timedelta
from typing import Final

from receipts.access import Access
from receipts.erasure.adapters.mongo import MongoErasures
from receipts.erasure.adapters.stores import ErasedStores
from receipts.erasure.api import make_erasures_router
from receipts.erasure.service import Eraser, Erasures, ErasureTerms
from receipts.exports.adapters.mongo import MongoExports
from receipts.exports.adapters.rows import LedgerRows
from receipts.exports.api import make_exports_router
from receipts.exports.runner import ExportRunner, ExportTerms
from receipts.exports.service import Exports
from receipts.ledger.adapters.erasing import LedgerEraser
from receipts.ledger.adapters.mongo import MongoLedger
from receipts.metrics import Metrics
from receipts.retention.adapters.mongo import MongoRetention
from receipts.retention.api import make_retention_router
from receipts.retention.policy import load_policies
from receipts.retention.service import Retention, RetentionTerms
from receipts.settings import ReceiptsSettings
from yizhan_runtime import Service

_PATIENCE_S: Final = 900.0
"""For writing a week of the ledger anew."""


def add_keeping(
    service: Service,
    settings: ReceiptsSettings,
    ledger: MongoLedger,
    access: Access,
    metrics: Metrics,
    instance: str,
) -> None:
    """Add exports, retention and erasure to the service."""
    patient = service.mongo().patient(_PATIENCE_S)
    service.on_stop(patient.stop)
    eraser = LedgerEraser(ledger, patient)
    _add_exports(service, settings, ledger, access, metrics, instance)
    _add_retention(service, settings, eraser, access, metrics, instance)
    _add_erasures(service, settings, eraser, access, metrics, instance)


def _add_exports(
    service: Service,
    settings: ReceiptsSettings,
    ledger: MongoLedger,
    access: Access,
    metrics: Metrics,
    instance: str,
) -> None:
    store, rows = MongoExports(service.mongo()), LedgerRows(ledger)
    terms = ExportTerms(
        share=settings.receipts_export_share, lease_s=settings.receipts_export_lease_s
    )
    kept = timedelta(days=settings.receipts_export_kept_days)
    runner = ExportRunner(store, rows, service.clock, metrics, instance, terms)
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
    instance: str,
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
        instance,
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
    instance: str,
) -> None:
    mongo, clock = service.mongo(), service.clock
    store = MongoErasures(mongo)
    eraser = Eraser(
        store,
        ErasedStores(mongo, ledger, MongoExports(mongo)),
        clock,
        metrics,
        instance,
        ErasureTerms(lag_s=settings.receipts_erasure_lag_s),
    )
    service.on_start(store.prepare)
    service.background("erasures", eraser.run)
    erasures = Erasures(store, clock, settings.receipts_erasure_key)
    service.http.include_router(make_erasures_router(erasures, access))
