"""What this process may spend: leases in memory, so that a payment costs no query.

A lease is a block of a package that one conditional update moved into this process's hands. What a
crash leaves of it is settled by the inputs that name it (``settling``). The rules that make the
count exact are in docs/adr/0020.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from ingest.quota.leases import DEFAULT_TERMS, Holding, Lease, Pot, Terms
from ingest.quota.ports import PaidInputs, Wallets
from ingest.quota.till import Till
from ingest.quota.wallet import OpenLease, Wallet
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable

_REFUSED_S = 0.5
"""So long an empty package is not asked again: the feed of wallets is as slow."""
_BUSY_S = 5.0


class Purse:
    """The leases of this process. ``keeper.Keeper`` takes them ahead and closes them."""

    def __init__(
        self,
        wallets: Wallets,
        inputs: PaidInputs,
        clock: Clock,
        *,
        owner: str,
        draw_id: Callable[[], str],
        terms: Terms = DEFAULT_TERMS,
    ) -> None:
        self._wallets = wallets
        self._inputs = inputs
        self._clock = clock
        self._owner = owner
        self._draw_id = draw_id
        self._holdings: dict[Pot, Holding] = {}
        self._known: dict[str, Wallet] = {}
        self.terms = terms
        self.broke: set[str] = set()
        """Accounts whose balance is not above zero."""
        self.wanted: set[Pot] = set()
        self.is_wanted = asyncio.Event()

    def open_till(self) -> Till:
        """Begin the payments of a round."""
        return Till(self)

    def now(self) -> float:
        return self._clock.monotonic()

    def holding(self, pot: Pot) -> Holding:
        found = self._holdings.get(pot)
        if found is None:
            found = self._holdings[pot] = Holding(self.terms.min_block)
        return found

    def wallets(self) -> Collection[Wallet]:
        """Give the wallets as far as they are known."""
        return self._known.values()

    def wallet(self, account_id: str) -> Wallet:
        """Give a wallet as it was last seen; an empty one for none."""
        return self._known.get(account_id) or Wallet(account_id)

    def put_wallet(self, wallet: Wallet) -> None:
        """See a wallet as it is now."""
        self._known[wallet.account_id] = wallet
        if wallet.balance_e4 > 0:
            self.broke.discard(wallet.account_id)
        else:
            self.broke.add(wallet.account_id)

    def want(self, pot: Pot) -> None:
        """Ask for a lease before the one in hand is spent."""
        self.wanted.add(pot)
        self.is_wanted.set()

    async def take(self, pot: Pot, need: int, least: int, seen: int | None = None) -> None:
        """Take a lease that is good for ``need`` units, or for what is left. Raises Retryable.

        Not if another round took one since so many had been ``seen``.
        """
        holding = self.holding(pot)
        holding.waiting += need
        try:
            async with holding.lock:
                if seen is None or holding.taken == seen:
                    await self._take(pot, holding, holding.waiting, least)
        finally:
            holding.waiting -= need

    async def _take(self, pot: Pot, holding: Holding, need: int, least: int) -> None:
        now = self.now()
        lease = await self._wallets.take_lease(self._ask(pot, holding), need, least)
        if lease is not None:
            holding.leases.append(Lease(lease, now + self.terms.lease_s))
            holding.taken += 1
        if need and (lease is None or lease.granted < need):
            holding.refused_until = self.now() + _REFUSED_S

    def _ask(self, pot: Pot, holding: Holding) -> OpenLease:
        """Ask for twice as much where the last lease did not last, for half where it lasted."""
        now, terms = self.now(), self.terms
        if now - holding.taken_at < _BUSY_S:
            holding.block = min(holding.block * 2, terms.max_block)
        elif now - holding.taken_at > terms.lease_s:
            holding.block = max(holding.block // 2, terms.min_block)
        holding.taken_at = now
        at, (account_id, kind) = self._clock.now(), pot
        until = at + timedelta(seconds=terms.lease_s)
        return OpenLease(
            lease_id=f"{kind}.{self._draw_id()}",
            account_id=account_id,
            kind=kind,
            owner=self._owner,
            granted=holding.block,
            taken_at=at,
            until=until,
            dead_at=until + timedelta(seconds=terms.grace_s),
        )

    def over(self, *, everything: bool = False) -> list[Lease]:
        """Hand out the leases that are spent or too old; nothing pays with them any more."""
        now = self.now()
        found: list[Lease] = []
        for holding in self._holdings.values():
            kept: list[Lease] = []
            for lease in holding.leases:
                is_over = everything or lease.left == 0 or now >= lease.usable_until
                (found if is_over and not lease.flying else kept).append(lease)
            holding.leases = kept
        return found

    def is_late(self, paid_at: float) -> bool:
        """Say whether storing took so long that the lease may have been closed meanwhile."""
        return self.now() - paid_at > self.terms.grace_s / 2

    async def check(self, paid: Mapping[str, tuple[Lease, int]]) -> None:
        """Pay again what a closed lease paid; unmake inputs that cannot be paid.

        Only a process that was frozen for minutes comes here. Raises Retryable.
        """
        leases = {lease.open.lease_id: lease for lease, _ in paid.values()}
        for lease_id, lease in leases.items():
            account_id, kind = lease.open.account_id, lease.open.kind
            if await self._wallets.is_open(account_id, kind, lease_id):
                continue
            mine = {name: units for name, (payer, units) in paid.items() if payer is lease}
            lease.is_unsure = True
            if not await self._wallets.charge(account_id, kind, sum(mine.values())):
                await self._inputs.forget(mine)
                raise Retryable("a lease was closed while its inputs were stored")
