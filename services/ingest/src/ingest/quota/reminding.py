"""Reminders that a package or the balance runs low: each crossing is told once.

A crossing is claimed in the wallet, with its number, together with the notice; then published
(receipts pushes it to the account, as it does all else); then taken off. What a crash left there is
told again, under the same id.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from ingest.accounts.plan import Plan
from ingest.ports import Catalogue, Publisher
from ingest.quota.ports import Notices
from ingest.quota.wallet import E4, Notice, Wallet
from yizhan_contracts.events import AccountNotified, NoticeKind
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

LEFT_BEHIND = timedelta(seconds=30)
LOOK_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One threshold of a wallet, and what there is of it."""

    name: str
    """Such as ``domestic.1000``, ``balance.50``."""
    kind: NoticeKind
    package: str
    threshold: float
    left: float

    @property
    def is_crossed(self) -> bool:
        return self.left <= self.threshold


def marks_of(wallet: Wallet, plan: Plan) -> Iterator[Mark]:
    """Give every threshold that counts for a wallet. A package never bought reminds of nothing."""
    for kind, package in wallet.packages.items():
        if package.bought:
            for units in plan.remind_at:
                name = f"{kind}.{units}"
                yield Mark(name, NoticeKind.PACKAGE_LOW, kind, units, package.unspent)
    for money in plan.remind_balance_at:
        name = f"balance.{money.normalize():f}"
        yield Mark(name, NoticeKind.BALANCE_LOW, "", float(money), wallet.balance_e4 / E4)


class Reminding:
    """Looks at each wallet that changed. ``run`` must be running."""

    def __init__(
        self,
        notices: Notices,
        catalogue: Catalogue,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._notices = notices
        self._catalogue = catalogue
        self._publisher = publisher
        self._clock = clock
        self._wallets: dict[str, Wallet] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def see(self, wallet: Wallet) -> None:
        """See a wallet as it is now. Only queues."""
        self._wallets[wallet.account_id] = wallet
        self._changed.add(wallet.account_id)
        self._wake.set()

    async def run(self) -> None:
        """Remind, for ever."""
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                # What a crash left behind, and plans that changed.
                self._changed.update(self._wallets)
            self._wake.clear()
            try:
                await self.look()
            except Retryable as error:
                log.warning("reminders wait", extra={"why": str(error)})
                await self._clock.sleep(1.0)

    async def look(self) -> None:
        """Look at the wallets that changed. Raises Retryable: look again then."""
        while self._changed:
            account_id = next(iter(self._changed))
            account = self._catalogue.account(account_id)
            if account is not None:
                await self._look_at(self._wallets[account_id], account.plan)
            self._changed.discard(account_id)

    async def _look_at(self, wallet: Wallet, plan: Plan) -> None:
        for mark in marks_of(wallet, plan):
            if mark.is_crossed and mark.name not in wallet.told:
                notice = await self._notices.claim(wallet.account_id, mark.name, mark.left)
                if notice is not None:
                    await self._tell(wallet, mark, notice)
            elif not mark.is_crossed and mark.name in wallet.told:
                await self._notices.rearm(wallet.account_id, mark.name)
        due = self._clock.now() - LEFT_BEHIND
        marks = {mark.name: mark for mark in marks_of(wallet, plan)}
        for notice in wallet.notices:
            if notice.at < due and notice.mark in marks:
                await self._tell(wallet, marks[notice.mark], notice)

    async def _tell(self, wallet: Wallet, mark: Mark, notice: Notice) -> None:
        event = AccountNotified(
            notice_id=f"{wallet.account_id}.{notice.mark}.{notice.number}",
            account_id=wallet.account_id,
            kind=mark.kind,
            package=mark.package,
            threshold=mark.threshold,
            left=notice.left,
            currency="" if mark.package else wallet.currency,
            noticed_at=notice.at,
        )
        await self._publisher.publish([event])
        await self._notices.told(wallet.account_id, notice.number)
