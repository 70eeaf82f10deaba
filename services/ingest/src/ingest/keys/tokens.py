"""Tokens for the other services' APIs: minutes long, signed, with an account and scopes."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Caller
from yizhan_runtime.clock import Clock
from yizhan_runtime.tokens import ALGORITHM, AUDIENCE, ISSUER
from yizhan_runtime.vault import derive


class TokenIssuer:
    """Signs with a key derived from the first key material; publishes those of all of them."""

    def __init__(self, materials: Sequence[str], clock: Clock) -> None:
        drawn = [Ed25519PrivateKey.from_private_bytes(derive(m, b"tokens")) for m in materials]
        self._keys = {_id_of(key): key for key in drawn}
        self._clock = clock

    @property
    def public_keys(self) -> Mapping[str, Any]:
        """Give the public keys by their ids."""
        return {key_id: key.public_key() for key_id, key in self._keys.items()}

    def jwks(self) -> dict[str, Any]:
        """Give the public keys as a JWK set (RFC 7517)."""
        return {
            "keys": [
                {
                    **OKPAlgorithm.to_jwk(key.public_key(), as_dict=True),
                    "kid": key_id,
                    "alg": ALGORITHM,
                    "use": "sig",
                }
                for key_id, key in self._keys.items()
            ]
        }

    def issue(self, caller: Caller, scopes: frozenset[Scope], ttl_s: int) -> tuple[str, datetime]:
        """Sign a token; gives it and when it is over. Raises RequestRefused."""
        if not self._keys:
            raise RequestRefused.of(503, Code.VAULT_MISSING)
        caller.must_have_key()
        caller.must_have(*scopes)
        now = self._clock.now()
        over_at = now + timedelta(seconds=ttl_s)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": caller.named.id if caller.named is not None else "",
            "scope": " ".join(sorted(scopes)),
            "test": caller.test,
            "operator": caller.is_operator,
            "iat": int(now.timestamp()),
            "exp": int(over_at.timestamp()),
            "jti": secrets.token_hex(8),
        }
        key_id, key = next(iter(self._keys.items()))
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id}), over_at


def _id_of(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]
