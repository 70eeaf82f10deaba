"""What a message is held by."""

from datetime import UTC, datetime

import pytest

from yizhan_contracts.events import HoldChanged, HoldKind, Origin, OriginKind
from yizhan_telecom.holds import Holds

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = Origin(kind=OriginKind.SHIPMENT_EVENT, shipment_id="S1", batch_id="B1", arrived_at=NOON)


def hold(
    kind: HoldKind, held_id: str, account_id: str = "", *, cancel: bool = False
) -> HoldChanged:
    return HoldChanged(
        kind=kind,
        held_id=held_id,
        account_id=account_id,
        held=True,
        cancel=cancel,
        changed_at=NOON,
    )


@pytest.mark.parametrize(
    ("one", "is_held"),
    [
        (hold(HoldKind.ACCOUNT, "shop"), True),
        (hold(HoldKind.ACCOUNT, "other"), False),
        (hold(HoldKind.TEMPLATE, "late", "shop"), True),
        (hold(HoldKind.TEMPLATE, "late", "other"), False),
        (hold(HoldKind.TEMPLATE, "late"), True),
        (hold(HoldKind.BATCH, "B1", "shop"), True),
        (hold(HoldKind.SHIPMENT, "S1", "shop"), True),
        (hold(HoldKind.SHIPMENT, "S2", "shop"), False),
        (hold(HoldKind.CHANNEL, "acme-eu"), False),
    ],
)
def test_a_message_is_held_by_what_it_is_part_of_within_its_account(
    one: HoldChanged,
    is_held: bool,  # noqa: FBT001 - a table
) -> None:
    holds = Holds()
    holds.on_changed(one.key(), one)
    assert (holds.of("shop", "late", ORIGIN) is one) is is_held
    lifted = one.model_copy(update={"held": False})
    holds.on_changed(one.key(), lifted)
    assert holds.of("shop", "late", ORIGIN) is None


def test_a_hold_that_cancels_counts_before_one_that_waits() -> None:
    waits, cancels = hold(HoldKind.ACCOUNT, "shop"), hold(HoldKind.BATCH, "B1", cancel=True)
    holds = Holds()
    for one in (cancels, waits):
        holds.on_changed(one.key(), one)
    assert holds.of("shop", "", ORIGIN) is cancels
    holds.on_changed(cancels.key(), None)
    assert holds.of("shop", "", ORIGIN) is waits
    assert holds.of("shop") is waits
