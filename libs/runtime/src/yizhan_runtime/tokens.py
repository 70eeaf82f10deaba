"""Short-lived signed tokens: ingest issues them, the other services' APIs read them.

JWT (RFC 7519), signed by Ed25519 (EdDSA, RFC 8037). Nothing else is accepted, whatever a token's
head says of itself. The public keys are ingest's, at ``/.well-known/jwks.json`` (RFC 7517).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import jwt

from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)

ISSUER = "yizhan-ingest"
AUDIENCE = "yizhan"
ALGORITHM = "EdDSA"
KEYS_PATH = "/.well-known/jwks.json"
PERSONAL: Final = "read:personal"
"""The scope that shows whole numbers and texts; ``read`` alone shows the rest."""
MAX_TOKEN = 2_000
"""Characters; ours have about 450."""

_LEEWAY_S = 30
_AGAIN_S = 5.0
_KEYS_LIVE_S = 3_600.0
_FETCH_S = 3.0
_REQUIRED = ("exp", "iat", "sub", "aud", "iss")


class BadToken(Exception):
    """A token that is none, is over, or is not ingest's. Why is for logs, not for callers."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a token: an account (an operator may have none), and what they may do."""

    account_id: str
    scopes: frozenset[str]
    test: bool = False
    is_operator: bool = False

    @property
    def may_see_personal(self) -> bool:
        """Say whether whole numbers and texts of what may be read may be told, too."""
        return self.is_operator or PERSONAL in self.scopes

    def may_read(self, account_id: str) -> bool:
        """Say whether what belongs to this account may be told."""
        is_own = bool(account_id) and self.account_id == account_id
        return self.is_operator or (is_own and "read" in self.scopes)


def read_token(token: str, keys: Mapping[str, Any], now_s: float) -> Holder:
    """Check a token against public keys by their ids. Raises BadToken."""
    key = keys.get(key_id_of(token))
    if key is None:
        raise BadToken("its key is not known")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # The times are checked below, by our own clock.
            options={
                "require": list(_REQUIRED),
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        issued_at, over_at = int(claims["iat"]), int(claims["exp"])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise BadToken(type(error).__name__) from None
    if not issued_at - _LEEWAY_S <= now_s <= over_at + _LEEWAY_S:
        raise BadToken("its time is over, or to come")
    return _holder(claims)


def _holder(claims: Mapping[str, Any]) -> Holder:
    return Holder(
        account_id=str(claims["sub"]),
        scopes=frozenset(str(claims.get("scope", "")).split()),
        test=claims.get("test") is True,
        is_operator=claims.get("operator") is True,
    )


def key_id_of(token: str) -> str:
    """Give the id of the key that a token names. Raises BadToken."""
    if len(token) > MAX_TOKEN:
        raise BadToken("too long")
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except (jwt.PyJWTError, ValueError):
        raise BadToken("no token") from None


def read_keys(document: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever was fetched
    """Read a JWK set: Ed25519 keys by their ids; others are left out."""
    listed = document.get("keys", ()) if isinstance(document, dict) else ()
    keys: dict[str, Any] = {}
    for one in listed:
        if isinstance(one, dict) and (one.get("kty"), one.get("crv")) == ("OKP", "Ed25519"):
            try:
                keys[str(one["kid"])] = jwt.PyJWK(one, algorithm=ALGORITHM).key
            except (jwt.PyJWTError, KeyError, ValueError, TypeError):
                log.warning("a public key cannot be read, and is left out")
    return keys


class TokenReader:
    """Reads tokens with ingest's keys: fetched when first needed, for new keys, and each hour."""

    def __init__(self, ingest_url: str, clock: Clock) -> None:
        self._url = ingest_url.rstrip("/") + KEYS_PATH if ingest_url else ""
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")

    async def read(self, token: str) -> Holder:
        """Say who holds a token. Raises BadToken, and Retryable while the keys are not here."""
        await self._have_key(key_id_of(token))
        return read_token(token, self._keys, self._clock.now().timestamp())

    async def _have_key(self, key_id: str) -> None:
        now = self._clock.monotonic()
        is_fresh = now - self._fetched_at < _KEYS_LIVE_S
        # A made-up key id must not make us ask for each token.
        if not self._url or (is_fresh and key_id in self._keys) or now - self._asked_at < _AGAIN_S:
            return
        self._asked_at = now
        try:
            self._keys = await self._fetch()
            self._fetched_at = now
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if key_id not in self._keys:
                raise Retryable(f"ingest's keys cannot be read: {type(error).__name__}") from error

    async def _fetch(self) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=_FETCH_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._url, allow_redirects=False) as answer,
        ):
            answer.raise_for_status()
            return read_keys(await answer.json())
