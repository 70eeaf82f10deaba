"""Who may ask: operators and services by the internal token, accounts by a token of ingest's."""

import hmac
from typing import Annotated

from fastapi import Header, HTTPException
from pydantic import SecretStr

from yizhan_runtime import Retryable, get_logger
from yizhan_runtime.tokens import BadToken, Holder, TokenReader

log = get_logger(__name__)

_BEARER = "bearer "
_OPERATOR = Holder("", frozenset(), is_operator=True)


class Access:
    """Dependencies of the routes. An account without its acceptance here is nobody's: not told."""

    def __init__(self, internal: SecretStr, tokens: TokenReader) -> None:
        self._internal = internal.get_secret_value().encode()
        self._tokens = tokens

    async def reader(self, authorization: Annotated[str, Header()] = "") -> Holder:
        """Let in whoever may read something, and say who it is."""
        return await self._holder(authorization, "read")

    async def manager(self, authorization: Annotated[str, Header()] = "") -> Holder:
        """Let in whoever may change something, and say who it is."""
        holder = await self._holder(authorization, "admin")
        if holder.test:
            raise HTTPException(403, "a test key's token changes nothing: take a live key's")
        return holder

    async def _holder(self, authorization: str, scope: str) -> Holder:
        is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
        token = authorization[len(_BEARER) :].strip() if is_bearer else ""
        if self._internal and hmac.compare_digest(token.encode(), self._internal):
            return _OPERATOR
        try:
            holder = await self._tokens.read(token)
        except BadToken as error:
            log.info("a token is refused", extra={"why": str(error)})
            raise _refusal() from None
        except Retryable as error:
            raise HTTPException(503, str(error), {"Retry-After": "5"}) from error
        if not holder.is_operator and scope not in holder.scopes:
            raise HTTPException(
                403, f"this token has no scope {scope}: ask ingest for one that has"
            )
        return holder

    async def operator(self, authorization: Annotated[str, Header()] = "") -> None:
        """Let in operators and services only."""
        if not (await self.reader(authorization)).is_operator:
            raise HTTPException(403, "this is for operators: show the internal token")


def _refusal() -> HTTPException:
    return HTTPException(
        401,
        "show a token of ingest's (POST /v1/tokens) or the internal token",
        {"WWW-Authenticate": "Bearer"},
    )
