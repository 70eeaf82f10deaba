"""What routes ask for: ``caller: Annotated[Caller, Depends(current_caller(Scope.ADMIN))]``."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from ingest.catalogue import Scope
from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused
from ingest.keys.callers import Asked, Authenticator, Caller

ACCOUNT_HEADER = "yizhan-account"

Dependency = Callable[[Request], Awaitable[Caller]]


def current_caller(*scopes: Scope) -> Dependency:
    """Let in who has all of these scopes, and say who it is. An operator has them all."""

    async def caller(request: Request) -> Caller:
        found = caller_of(request, await request.body())
        found.must_have(*scopes)
        return found

    return caller


async def current_operator(request: Request) -> Caller:
    """Let in operators only."""
    found = caller_of(request, await request.body())
    found.must_be_operator()
    return found


def caller_of(request: Request, body: bytes) -> Caller:
    """Say who asks. Raises RequestRefused (401; 503 at the start)."""
    headers = request.headers
    asked = Asked(
        method=request.method,
        target=_target(request),
        authorization=headers.get("authorization", ""),
        idempotency_key=headers.get("idempotency-key", ""),
        acts_for=headers.get(ACCOUNT_HEADER, ""),
    )
    return authenticator_of(request).authenticate(asked, body)


def authenticator_of(request: Request) -> Authenticator:
    """Give the application's one. Raises RequestRefused (503) while keys are still being read."""
    if getattr(request.app.state, "is_starting", False):
        raise RequestRefused(503, [Refusal(Code.UNAVAILABLE)], retry_after_s=1)
    found: Authenticator = request.app.state.authenticator
    return found


def _target(request: Request) -> str:
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
