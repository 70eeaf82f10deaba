"""Who may ask: operators and services by the internal token, accounts by a token of ingest's."""

import hmac
from typing import Annotated, NamedTuple

from fastapi import Header, HTTPException
from pydantic import SecretStr

from yizhan_runtime import Retryable, get_logger
from yizhan_runtime.tokens import PERSONAL, BadToken, Holder, TokenReader

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


class Sight(NamedTuple):
    """What of personal data an answer shows."""

    numbers: bool
    texts: bool


def sight_of(holder: Holder, *, unmasked: bool, texts: bool) -> Sight:
    """Decide what a holder is shown. Raises HTTPException (403) for what they may not ask for.

    An account whose token has the scope sees its numbers whole; an operator has to ask. Texts are
    asked for by everybody.
    """
    if (unmasked or texts) and not holder.may_see_personal:
        raise HTTPException(403, f"whole numbers and texts want a token with the scope {PERSONAL}")
    return Sight(unmasked or (holder.may_see_personal and not holder.is_operator), texts)


def audit(holder: Holder, sight: Sight, what: str, count: int) -> None:
    """Log that an operator was shown personal data: of what kind and how much, never whose."""
    if holder.is_operator and any(sight):
        kinds = [kind for kind, is_shown in sight._asdict().items() if is_shown]
        by = "internal token" if holder == _OPERATOR else "operator's token"
        log.info(
            "an operator was shown personal data",
            extra={"by": by, "what": what, "kinds": ", ".join(kinds), "rows": count},
        )


def account_for(holder: Holder, asked: str) -> str:
    """Give the account that is asked about: an account's own where it names none.

    Raises HTTPException (403) for another's.
    """
    account_id = asked or holder.account_id
    if not holder.is_operator and not holder.may_read(account_id):
        raise HTTPException(403, "this token is of another account")
    return account_id


def _refusal() -> HTTPException:
    return HTTPException(
        401,
        "show a token of ingest's (POST /v1/tokens) or the internal token",
        {"WWW-Authenticate": "Bearer"},
    )
