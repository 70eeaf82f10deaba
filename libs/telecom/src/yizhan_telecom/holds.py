"""What is held: one set of rules for every service that looks before it acts."""

from collections.abc import Callable, Iterator

from yizhan_contracts.events import HoldChanged, HoldKind, Origin, hold_key


def keys_of(
    account_id: str, template_id: str, origin: Origin | None, channel: str = ""
) -> Iterator[str]:
    """Name every hold that a message may be under.

    Templates, batches and shipments are an account's own names: they are held within it, or, by an
    operator, for everybody.
    """
    yield hold_key(HoldKind.ACCOUNT, account_id)
    if channel:
        yield hold_key(HoldKind.CHANNEL, channel)
    named = (
        (HoldKind.TEMPLATE, template_id),
        (HoldKind.BATCH, origin.batch_id if origin else ""),
        (HoldKind.SHIPMENT, origin.shipment_id if origin else ""),
    )
    for kind, held_id in named:
        if held_id:
            yield hold_key(kind, held_id, account_id)
            yield hold_key(kind, held_id)


class Holds:
    """The holds in force. Held twice, a message waits for both, and is cancelled by either."""

    def __init__(
        self,
        on_change: Callable[[], None] = lambda: None,
        on_lifted: Callable[[], None] = lambda: None,
    ) -> None:
        self._held: dict[str, HoldChanged] = {}
        self._on_change = on_change
        self._on_lifted = on_lifted

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is held."""
        return not self._held

    def on_changed(self, key: str, hold: HoldChanged | None) -> None:
        """Take a row of the table; a tombstone, or one that holds no longer, lifts the hold."""
        if hold is not None and hold.held:
            self._held[key] = hold
        elif self._held.pop(key, None) is not None:
            self._on_lifted()
        self._on_change()

    def of(
        self,
        account_id: str,
        template_id: str = "",
        origin: Origin | None = None,
        channel: str = "",
    ) -> HoldChanged | None:
        """Give the hold that a message is under, one that cancels before one that waits."""
        if not self._held:
            return None
        keys = keys_of(account_id, template_id, origin, channel)
        found = [hold for key in keys if (hold := self._held.get(key)) is not None]
        return max(found, key=lambda hold: hold.cancel, default=None)
