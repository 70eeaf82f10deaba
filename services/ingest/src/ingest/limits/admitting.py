"""Which messages of a round are within their account's limits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from ingest.catalogue import Account
from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from ingest.limits.allowance import Allowance
from ingest.limits.frequency import Slots, Wanted, take_slots
from ingest.ports import Catalogue, Input, Inputs
from yizhan_runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Admission:
    """Judges rounds. Accounts without limits cost nothing; repeats are never refused."""

    catalogue: Catalogue
    inputs: Inputs
    allowance: Allowance
    slots: Slots
    clock: Clock

    async def refusals(self, inputs: Sequence[Input]) -> Mapping[str, RequestRefused]:
        """Give the inputs that are over a limit, with their refusals. Raises Retryable."""
        limited = self._limited(inputs)
        if not limited:
            return {}
        known = await self.inputs.find([i.input_id for own in limited.values() for i in own])
        refused: dict[str, RequestRefused] = {}
        for account_id, own in limited.items():
            account = self.catalogue.account(account_id)
            fresh = [one for one in own if one.input_id not in known]
            if account is not None and fresh:
                refused |= await self._of_account(account, fresh)
        return refused

    def _limited(self, inputs: Sequence[Input]) -> Mapping[str, list[Input]]:
        found: dict[str, dict[str, Input]] = defaultdict(dict)
        for one in inputs:
            account = self.catalogue.account(one.message.account_id)
            if account is not None and account.limits.counts_messages:
                found[account.id][one.input_id] = one
        return {account_id: list(own.values()) for account_id, own in found.items()}

    async def _of_account(
        self, account: Account, fresh: Sequence[Input]
    ) -> dict[str, RequestRefused]:
        refused = await self._too_often(account, fresh)
        left = [one for one in fresh if one.input_id not in refused]
        granted, against = await self.allowance.take(account, len(left))
        if against is not None:
            over = left[granted:]
            refused |= {i.input_id: self._refuse(against.refusal, against.until) for i in over}
        return refused

    async def _too_often(
        self, account: Account, fresh: Sequence[Input]
    ) -> dict[str, RequestRefused]:
        limit = account.limits.per_recipient
        if limit is None:
            return {}
        wanted = [Wanted(i.input_id, account.id, i.message.recipient, limit) for i in fresh]
        full = await take_slots(self.slots, wanted, self.clock.now())
        detail = f"Over {limit.messages} messages to this number in {limit.window_s} s."
        refusal = Refusal(Code.RECIPIENT_TOO_OFTEN, "to", detail)
        return {name: self._refuse(refusal, until) for name, until in full.items()}

    def _refuse(self, refusal: Refusal, until: datetime) -> RequestRefused:
        wait_s = ceil((until - self.clock.now()).total_seconds())
        return RequestRefused(429, [refusal], retry_after_s=max(1, wait_s))
