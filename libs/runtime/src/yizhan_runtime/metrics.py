"""The metrics that all services share: name, labels, buckets, a sentence. Labels are bounded."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_MS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RuntimeMetrics:
    """The mandatory set, in one registry per service: several can live in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.consumed = Counter(
            "yizhan_records_consumed_total",
            "Records taken from Kafka.",
            ["group", "topic"],
            registry=registry,
        )
        self.processed = Counter(
            "yizhan_records_processed_total",
            "Records that are done, by what became of them: handled, parked, dead-lettered.",
            ["group", "topic", "outcome"],
            registry=registry,
        )
        self.handler_seconds = Histogram(
            "yizhan_handler_seconds",
            "Time from a batch's arrival until all of it was durable.",
            ["group"],
            buckets=_MS,
            registry=registry,
        )
        self.batch_records = Histogram(
            "yizhan_batch_records",
            "Records in a batch.",
            ["group"],
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
            registry=registry,
        )
        self.waited_seconds = Histogram(
            "yizhan_record_wait_seconds",
            "Age of the oldest record of a batch when it arrived, by Kafka's timestamp.",
            ["group"],
            buckets=(*_MS, 60.0, 300.0, 1800.0, 7200.0),
            registry=registry,
        )
        self.retries_in_place = Counter(
            "yizhan_batch_retries_total",
            "Batches tried again in place.",
            ["group"],
            registry=registry,
        )
        self.open_records = Gauge(
            "yizhan_open_records",
            "Records begun and not yet durable.",
            ["group"],
            registry=registry,
        )
        self.oldest_open = Gauge(
            "yizhan_oldest_open_seconds",
            "For how long the oldest record that is begun and not durable has been open.",
            ["group"],
            registry=registry,
        )
        self.lag = Gauge(
            "yizhan_consumer_lag_records",
            "Records not yet consumed.",
            ["group", "topic"],
            registry=registry,
        )
        self.fetch_age = Gauge(
            "yizhan_fetch_age_seconds",
            "Age of the oldest answer to a fetch.",
            ["group"],
            registry=registry,
        )
        self.commits = Counter(
            "yizhan_commits_total",
            "Offset commits, by outcome.",
            ["group", "outcome"],
            registry=registry,
        )
        self.rebalances = Counter(
            "yizhan_rebalances_total", "Assignments received.", ["group"], registry=registry
        )
        self.published = Counter(
            "yizhan_records_published_total",
            "Records acknowledged by Kafka.",
            ["topic"],
            registry=registry,
        )
        self.publish_seconds = Histogram(
            "yizhan_publish_seconds",
            "Time until Kafka acknowledged all of a publish.",
            buckets=_MS,
            registry=registry,
        )
        self.publish_failures = Counter(
            "yizhan_publish_failures_total",
            "Publishes that were not acknowledged, by error.",
            ["error"],
            registry=registry,
        )
        self.mongo_seconds = Histogram(
            "yizhan_mongo_seconds",
            "Time of a MongoDB operation.",
            ["collection", "operation"],
            buckets=_MS,
            registry=registry,
        )
        self.mongo_failures = Counter(
            "yizhan_mongo_failures_total",
            "MongoDB operations that failed.",
            ["operation"],
            registry=registry,
        )
        self.clock_offset = Gauge(
            "yizhan_clock_offset_seconds", "This clock minus MongoDB's.", registry=registry
        )
