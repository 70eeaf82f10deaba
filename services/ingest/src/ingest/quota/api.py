"""Routes to packages and balance: an account sees its own, operators book."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ingest.catalogue import Scope
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller, current_operator
from ingest.quota.booking import Booking
from ingest.quota.wallet import E4, PackageKind, Wallet
from ingest.requests.openapi import SECURED, problems

Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
Operator = Annotated[Caller, Depends(current_operator)]
EntryId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,100}$")]


class Purchase(BaseModel):
    """A package that was bought. ``purchase_id`` counts once, however often it is sent."""

    model_config = ConfigDict(extra="forbid")

    package: PackageKind
    quantity: Annotated[int, Field(ge=1, le=10**12)]
    """In chargingNum."""
    purchase_id: EntryId


class Entry(BaseModel):
    """Money that came or went. ``entry_id`` counts once, however often it is sent."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[
        Decimal, Field(ge=-(10**12), le=10**12, decimal_places=4, allow_inf_nan=False)
    ]
    """In the wallet's currency; less than zero takes away."""
    entry_id: EntryId


class PackageShown(BaseModel):
    """One kind of package, in chargingNum. ``left + leased + spent = bought + returned``."""

    bought: int
    left: int
    leased: int
    """In the hands of running processes: spent, or soon back."""
    spent: int
    returned: int


class Usage(BaseModel):
    """What an account has."""

    account_id: str
    balance: str
    currency: str
    packages: dict[PackageKind, PackageShown]


def make_router(booking: Booking) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["packages and balance"])

    async def show_usage(caller: Reader) -> Usage:
        """Show packages and balance."""
        return _shown(await booking.load(caller.account_id))

    async def buy_package(caller: Operator, purchase: Purchase) -> Usage:
        """Add to a package of the account in ``Yizhan-Account``."""
        return _shown(
            await booking.buy(
                caller.account_id, purchase.package, purchase.quantity, purchase.purchase_id
            )
        )

    async def book_balance(caller: Operator, entry: Entry) -> Usage:
        """Top up, or charge, the balance of the account in ``Yizhan-Account``."""
        amount_e4 = int(entry.amount * E4)
        return _shown(await booking.book(caller.account_id, amount_e4, entry.entry_id))

    def add(path: str, method: str, work: Any, summary: str) -> None:  # noqa: ANN401 - any route
        router.add_api_route(
            path,
            work,
            methods=[method],
            summary=summary,
            responses=problems(400, 401, 403, 413, 422, 500, 503),
            openapi_extra=SECURED,
        )

    add("/v1/usage", "GET", show_usage, "Show packages and balance")
    add("/v1/packages", "POST", buy_package, "Add to a package")
    add("/v1/balance", "POST", book_balance, "Book on the balance")
    return router


def _shown(wallet: Wallet) -> Usage:
    return Usage(
        account_id=wallet.account_id,
        balance=f"{Decimal(wallet.balance_e4) / E4:.4f}",
        currency=wallet.currency,
        packages={
            kind: PackageShown(
                bought=one.bought,
                left=one.left,
                leased=one.leased,
                spent=one.spent,
                returned=one.returned,
            )
            for kind, one in wallet.packages.items()
        },
    )
