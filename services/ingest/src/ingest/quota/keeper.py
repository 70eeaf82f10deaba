"""Keeps a purse: leases ahead of need, and none open for longer than it must be."""

from collections.abc import Sequence

from ingest.metrics import IngestMetrics
from ingest.ports import Publisher
from ingest.quota.leases import Lease
from ingest.quota.ports import PaidInputs, Wallets
from ingest.quota.purse import Purse
from ingest.quota.settling import recover
from ingest.quota.wallet import OpenLease
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

CLOSE_EVERY_S = 1.0
RECOVER_EVERY_S = 15.0


class Keeper:
    """``ahead``, ``closing`` and ``recovering`` run for the life of the process."""

    def __init__(
        self,
        purse: Purse,
        wallets: Wallets,
        inputs: PaidInputs,
        publisher: Publisher,
        *,
        clock: Clock,
        metrics: IngestMetrics,
    ) -> None:
        self._purse = purse
        self._wallets = wallets
        self._inputs = inputs
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics

    async def ahead(self) -> None:
        """Take the next lease while the one in hand lasts, for ever."""
        while True:
            await self._purse.is_wanted.wait()
            self._purse.is_wanted.clear()
            wanted = list(self._purse.wanted)
            self._purse.wanted.clear()
            for pot in wanted:
                try:
                    await self._purse.take(pot, need=0, least=1)
                except Retryable as error:
                    log.warning("no lease ahead", extra={"why": str(error)})

    async def closing(self) -> None:
        """Close this process's leases once they are spent or old, for ever."""
        while True:
            await self._clock.sleep(CLOSE_EVERY_S)
            await self.close(self._purse.over())

    async def close_all(self) -> None:
        """Give everything back: the process ends."""
        await self.close(self._purse.over(everything=True))

    async def close(self, leases: Sequence[Lease]) -> None:
        """Close leases that this process knows all about; the others are left to be recovered."""
        for lease in leases:
            if lease.is_unsure:
                self._metrics.record_leases("unsure", 1)
                continue
            try:
                await self._wallets.close_lease(lease.open, lease.used)
            except Retryable as error:
                log.warning("a lease stays open until it is recovered", extra={"why": str(error)})
            else:
                self._metrics.record_leases("closed", 1)

    async def recovering(self) -> None:
        """Close what others left open, for ever."""
        while True:
            await self._clock.sleep(min(RECOVER_EVERY_S, self._purse.terms.grace_s))
            try:
                await self.recover_dead()
            except Retryable as error:
                log.warning("dead leases stay open for now", extra={"why": str(error)})

    async def recover_dead(self) -> None:
        """Close the leases that nobody can be using any more. Raises Retryable."""
        dead = self._dead()
        if dead:
            back = await recover(dead, self._wallets, self._inputs, self._publisher)
            self._metrics.record_leases("recovered", len(dead))
            log.info("dead leases are closed", extra={"count": len(dead), "units_back": back})

    def _dead(self) -> list[OpenLease]:
        now = self._clock.now()
        return [
            lease
            for wallet in self._purse.wallets()
            for package in wallet.packages.values()
            for lease in package.leases
            if lease.dead_at < now
        ]
