"""Routes to tokens: one that issues them, one that publishes what they are checked with."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ingest.catalogue import Scope
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller
from ingest.keys.tokens import TokenIssuer
from ingest.requests.openapi import SECURED, problems
from yizhan_runtime.tokens import KEYS_PATH

Anybody = Annotated[Caller, Depends(current_caller())]
_KEYS_LIVE_S = 300


class NewToken(BaseModel):
    """What a token is for."""

    model_config = ConfigDict(extra="forbid")

    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = (Scope.READ,)
    ttl_s: Annotated[int, Field(ge=10, le=900)] = 300


class TokenMade(BaseModel):
    """A token: ``Authorization: Bearer <token>`` at the other services."""

    token: str
    expires_at: AwareDatetime
    scopes: list[Scope]


class KeySet(BaseModel):
    """A JWK set (RFC 7517) of Ed25519 keys."""

    keys: list[dict[str, Any]]


def make_token_router(issuer: TokenIssuer) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["tokens"])

    async def make_token(caller: Anybody, wanted: NewToken, response: Response) -> TokenMade:
        """Give a token with some of the key's scopes, for minutes."""
        response.headers["Cache-Control"] = "no-store"
        scopes = frozenset(wanted.scopes)
        token, expires_at = issuer.issue(caller, scopes, wanted.ttl_s)
        return TokenMade(token=token, expires_at=expires_at, scopes=sorted(scopes))

    async def show_keys(response: Response) -> KeySet:
        """Show the public keys that tokens are checked with."""
        response.headers["Cache-Control"] = f"public, max-age={_KEYS_LIVE_S}"
        return KeySet(**issuer.jwks())

    router.add_api_route(
        "/v1/tokens",
        make_token,
        methods=["POST"],
        status_code=201,
        summary="Get a token for the other services",
        responses=problems(400, 401, 403, 413, 422, 500, 503),
        openapi_extra=SECURED,
    )
    router.add_api_route(
        KEYS_PATH,
        show_keys,
        methods=["GET"],
        summary="Show the keys that tokens are checked with",
        responses=problems(500),
    )
    return router
