"""Who may stop what: an account its own things, an operator everything."""

from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from ingest.holds.store import Held, HoldStore, make_hold
from ingest.keys.callers import Caller
from ingest.ports import Catalogue
from yizhan_contracts.events import HoldChanged, HoldKind, Origin, hold_key
from yizhan_runtime.clock import Clock
from yizhan_telecom.holds import Holds


class ManageHolds:
    """Stops and resumes. What returns is in MongoDB and on Kafka: all see it within 2 s."""

    def __init__(self, store: HoldStore, catalogue: Catalogue, clock: Clock) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock

    async def stop(
        self, caller: Caller, kind: HoldKind, held_id: str, reason: str, *, cancel: bool
    ) -> Held:
        """Stop what is named: what it concerns waits, or settles as cancelled.

        Stopping again changes how. Raises RequestRefused, Retryable.
        """
        account_id = self._within(caller, kind, held_id)
        self._check(caller, hold_key(kind, held_id, account_id))
        return await self._put(
            caller, kind, held_id, account_id, held=True, cancel=cancel, reason=reason
        )

    async def resume(self, caller: Caller, kind: HoldKind, held_id: str) -> Held:
        """Let it go on. Raises RequestRefused (404: it is not held), Retryable."""
        account_id = self._within(caller, kind, held_id)
        key = hold_key(kind, held_id, account_id)
        if self._store.find(key) is None:
            raise RequestRefused.of(404, Code.HOLD_NOT_FOUND)
        self._check(caller, key)
        return await self._put(caller, kind, held_id, account_id, held=False)

    def listed(self, caller: Caller) -> list[Held]:
        """Give the holds that a caller may know of: an operator without account, all of them."""
        found = self._store.held()
        if caller.named is None:
            return found
        own = caller.named.id
        mine = hold_key(HoldKind.ACCOUNT, own)
        return [one for one in found if one.hold.account_id == own or one.hold.key() == mine]

    async def _put(
        self, caller: Caller, kind: HoldKind, held_id: str, account_id: str, **fields: object
    ) -> Held:
        hold = make_hold(kind, held_id, account_id, self._clock.now(), **fields)
        held = Held(hold, caller.key or "operator", caller.is_operator)
        await self._store.put(held)
        return held

    def _check(self, caller: Caller, key: str) -> None:
        known = self._store.find(key)
        if known is not None and known.is_operators and not caller.is_operator:
            raise RequestRefused.of(403, Code.HOLD_OF_OPERATORS)

    def _within(self, caller: Caller, kind: HoldKind, held_id: str) -> str:
        """Say within which account a name counts; empty: everybody's."""
        if kind is HoldKind.CHANNEL:
            caller.must_be_operator()
            return ""
        if kind is HoldKind.ACCOUNT:
            self._check_account(caller, held_id)
            return ""
        return "" if caller.is_operator and caller.named is None else caller.account_id

    def _check_account(self, caller: Caller, account_id: str) -> None:
        is_own = caller.named is not None and caller.named.id == account_id
        if not is_own and not caller.is_operator:
            caller.must_be_operator()
        if self._catalogue.account(account_id) is None:
            raise RequestRefused.of(422, Code.ACCOUNT_UNKNOWN, "id")


def refusal(
    holds: Holds, account_id: str, template_id: str, origin: Origin | None = None
) -> Refusal | None:
    """Refuse at the door what would only be cancelled; what waits is accepted, and waits."""
    found = holds.of(account_id, template_id, origin)
    return _refusal(found) if found is not None and found.cancel else None


def _refusal(hold: HoldChanged) -> Refusal:
    why = f" ({hold.reason})" if hold.reason else ""
    return Refusal(Code.HELD, detail=f"The {hold.kind} is stopped{why}.")
