"""Who may ask: operators and services, by the internal token or by an operator's of ingest's."""

import hmac
from typing import Annotated

from fastapi import Header, HTTPException
from pydantic import SecretStr

from yizhan_runtime import Retryable, get_logger
from yizhan_runtime.tokens import BadToken, TokenReader

log = get_logger(__name__)

_BEARER = "bearer "


class Access:
    """A dependency of all routes."""

    def __init__(self, internal: SecretStr, tokens: TokenReader) -> None:
        self._internal = internal.get_secret_value().encode()
        self._tokens = tokens

    async def operator(self, authorization: Annotated[str, Header()] = "") -> None:
        """Let in operators and services. 401 without a token, 403 for an account's."""
        is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
        token = authorization[len(_BEARER) :].strip() if is_bearer else ""
        if self._internal and hmac.compare_digest(token.encode(), self._internal):
            return
        try:
            holder = await self._tokens.read(token)
        except BadToken as error:
            log.info("a token is refused", extra={"why": str(error)})
            raise HTTPException(
                401,
                "show the internal token, or an operator's of ingest's (POST /v1/tokens)",
                {"WWW-Authenticate": "Bearer"},
            ) from None
        except Retryable as error:
            raise HTTPException(503, str(error), {"Retry-After": "5"}) from error
        if not holder.is_operator:
            raise HTTPException(403, "this is for operators")
