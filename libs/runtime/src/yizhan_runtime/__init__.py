"""How a service runs: settings, Kafka, retries, DLQ, health, logs, metrics, MongoDB, clock."""

from yizhan_runtime.batch import BatchRoute
from yizhan_runtime.clock import Clock, SystemClock, backoff_s
from yizhan_runtime.errors import (
    Fatal,
    Misconfigured,
    Permanent,
    Poison,
    Retryable,
    TooSlow,
    YizhanError,
)
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Index, Mongo
from yizhan_runtime.publisher import Outgoing, Publisher, to_json
from yizhan_runtime.records import Parked, RawRecord, Record, contract
from yizhan_runtime.service import Service, run
from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.window import OpenRecord, WindowRoute

__all__ = [
    "BatchRoute",
    "Clock",
    "Fatal",
    "Index",
    "Misconfigured",
    "Mongo",
    "OpenRecord",
    "Outgoing",
    "Parked",
    "Permanent",
    "Poison",
    "Publisher",
    "RawRecord",
    "Record",
    "Retryable",
    "RuntimeSettings",
    "Service",
    "SystemClock",
    "TooSlow",
    "WindowRoute",
    "YizhanError",
    "backoff_s",
    "contract",
    "get_logger",
    "run",
    "to_json",
]
