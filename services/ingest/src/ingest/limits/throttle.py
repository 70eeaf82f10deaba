"""Requests a second: a bucket of tokens for each account, in memory.

An instance allows its share, the limit divided by the number of instances it is told of: a
balancer that spreads requests unevenly lets through less than the limit, never more.
"""

from dataclasses import dataclass
from math import ceil

from ingest.catalogue import Account
from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from yizhan_runtime.clock import Clock


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Throttle:
    """Lets through what an account may ask for in this second."""

    def __init__(self, clock: Clock, instances: int = 1) -> None:
        self._clock = clock
        self._instances = instances
        self._buckets: dict[str, _Bucket] = {}

    def take(self, account: Account) -> None:
        """Count one request. Raises RequestRefused (429)."""
        limit = account.limits.requests_per_s
        if limit is None:
            return
        rate, now = limit / self._instances, self._clock.monotonic()
        depth = max(1.0, rate)  # a second's worth at once
        bucket = self._buckets.setdefault(account.id, _Bucket(depth, now))
        bucket.tokens = min(depth, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1.0:
            refusal = Refusal(Code.RATE_EXCEEDED, detail=f"Over {limit:g} requests a second.")
            wait_s = ceil((1.0 - bucket.tokens) / rate)
            raise RequestRefused(429, [refusal], retry_after_s=max(1, wait_s))
        bucket.tokens -= 1.0
