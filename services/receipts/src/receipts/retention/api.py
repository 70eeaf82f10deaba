"""/v1/retention/{account_id}: how long an account's messages are kept; operators change it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path

from receipts.access import Access
from receipts.api import or_unavailable
from receipts.retention.policy import Policies, Policy
from receipts.retention.ports import KeptPolicies
from yizhan_runtime.tokens import Holder

AccountId = Annotated[str, Path(min_length=1, max_length=200)]


def make_retention_router(store: KeptPolicies, policies: Policies, access: Access) -> APIRouter:
    """Make the routes: an account sees its own, operators see and change any."""
    router = APIRouter()
    for_operators = [Depends(access.operator)]

    async def told(account_id: str) -> dict[str, Any]:
        own = await or_unavailable(store.policies())
        policy = policies.with_own(own).of(account_id)
        is_of_file = account_id in policies.accounts
        given_by = "api" if account_id in own else "file" if is_of_file else "default"
        return {"account_id": account_id, **policy.model_dump(), "given_by": given_by}

    @router.get("/v1/retention/{account_id}")
    async def show(
        account_id: AccountId, holder: Annotated[Holder, Depends(access.reader)]
    ) -> dict[str, Any]:
        """Say how long contents, numbers and the rest are kept, in days."""
        if not holder.may_read(account_id):
            raise HTTPException(403, "this token is of another account")
        return await told(account_id)

    @router.put("/v1/retention/{account_id}", dependencies=for_operators)
    async def change(account_id: AccountId, policy: Policy) -> dict[str, Any]:
        """Give an account its own times, from the next run on. What is gone does not come back."""
        await or_unavailable(store.save_policy(account_id, policy))
        return await told(account_id)

    @router.delete("/v1/retention/{account_id}", dependencies=for_operators)
    async def forget(account_id: AccountId) -> dict[str, Any]:
        """Let the file, or the default, hold again."""
        await or_unavailable(store.save_policy(account_id, None))
        return await told(account_id)

    return router
