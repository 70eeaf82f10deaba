"""Who asks: an API key and its secret, as a bearer token ``<key>.<secret>``."""

import hashlib
import hmac
from dataclasses import dataclass

from ingest.catalogue import Account, ApiKey, Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.ports import Catalogue

_SCHEME = "bearer "
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, by one of its keys."""

    account: Account
    key: ApiKey


def authenticate(catalogue: Catalogue, authorization: str | None, scope: Scope) -> Caller:
    """Check the header. Raises RequestRefused, which never says which half was wrong."""
    caller = _find(catalogue, authorization or "")
    if caller is None:
        raise RequestRefused.of(401, Code.UNAUTHENTICATED, "Authorization")
    if scope not in caller.key.scopes:
        detail = f"This key has no scope {scope}."
        raise RequestRefused.of(403, Code.SCOPE_MISSING, "Authorization", detail)
    return caller


def _find(catalogue: Catalogue, authorization: str) -> Caller | None:
    if not authorization.lower().startswith(_SCHEME):
        return None
    key, _, secret = authorization[len(_SCHEME) :].strip().partition(".")
    found = catalogue.caller(key)
    told = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
    # An unknown key costs the same as a wrong secret.
    if not hmac.compare_digest(told, found[1].secret_sha256 if found else _NOBODY) or not found:
        return None
    return Caller(*found)
