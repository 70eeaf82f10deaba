"""Routes to accounts: an account sees itself, operators see and change all of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel, ValidationError

from ingest.accounts.snapshot import Snapshot
from ingest.accounts.store import AccountStore
from ingest.catalogue import AccountFacts, Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller, current_operator
from ingest.requests.openapi import SECURED, problems
from ingest.requests.problems import invalid

Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
Operator = Annotated[Caller, Depends(current_operator)]
AccountId = Annotated[str, Path(max_length=64)]
Changes = Annotated[
    dict[str, Any],
    Body(
        description="Fields of an account to replace; the others stay.",
        examples=[{"state": "suspended"}],
    ),
]
BY = "operator"
_CHANGEABLE = AccountFacts.model_fields.keys() - {"id"}


class AccountList(BaseModel):
    """All accounts."""

    accounts: list[AccountFacts]


def make_router(store: AccountStore, catalogue: Snapshot) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["accounts"])

    async def show_account(caller: Reader) -> AccountFacts:
        """Show the caller's account."""
        return _facts(caller.account)

    async def list_accounts(_caller: Operator) -> AccountList:
        """List all accounts."""
        return AccountList(accounts=[_facts(one) for one in catalogue.accounts()])

    async def create_account(_caller: Operator, account: AccountFacts) -> AccountFacts:
        """Add an account. Its keys, templates and packages come after it."""
        if not await store.add(account, BY):
            raise RequestRefused.of(409, Code.ACCOUNT_EXISTS, "id")
        return account

    async def change_account(
        _caller: Operator, account_id: AccountId, changes: Changes
    ) -> AccountFacts:
        """Replace some fields. It is in force within a second; the file has no say any more."""
        if strange := sorted(
            changes.keys() - AccountFacts.model_fields.keys() | {"id"} & {*changes}
        ):
            raise RequestRefused.of(422, Code.FIELD_INVALID, strange[0][:100])
        try:
            changed = await store.change(account_id, changes, BY)
        except ValidationError as error:
            problems_found = error.errors(
                include_input=False, include_url=False, include_context=False
            )
            raise invalid(problems_found) from None
        if changed is None:
            raise RequestRefused.of(404, Code.ACCOUNT_UNKNOWN, "account_id")
        return changed

    def add(path: str, method: str, work: Any, summary: str, *refused: int) -> None:  # noqa: ANN401 - any route
        router.add_api_route(
            path,
            work,
            methods=[method],
            summary=summary,
            status_code=201 if method == "POST" else 200,
            responses=problems(400, 401, 403, 413, 422, *refused, 500, 503),
            openapi_extra=SECURED,
        )

    add("/v1/account", "GET", show_account, "Show your account")
    add("/v1/accounts", "GET", list_accounts, "List accounts")
    add("/v1/accounts", "POST", create_account, "Add an account", 409)
    add("/v1/accounts/{account_id}", "PATCH", change_account, "Change an account", 404)
    return router


def _facts(account: AccountFacts) -> AccountFacts:
    """Leave out what belongs to other routes."""
    own = {name: getattr(account, name) for name in AccountFacts.model_fields}
    return AccountFacts.model_construct(**own)
