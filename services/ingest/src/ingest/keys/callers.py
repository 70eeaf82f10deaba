"""Who a request comes from, and whether it may do what it asks for."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from ingest.catalogue import Account, Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys import signing
from ingest.keys.domain import Key, KeyTable, Secret, sha256_of
from yizhan_runtime.clock import Clock
from yizhan_runtime.tokens import BadToken, read_token

_BEARER = "bearer "
_JWT_DOTS = 2
# An unknown key costs the same as a wrong secret.
_NOBODYS = (Secret("", sha256_of("nobody"), datetime.min.replace(tzinfo=UTC), "nobody"),)
_ALL = frozenset(Scope)


class Accounts(Protocol):
    """Accounts in force, from memory."""

    def account(self, account_id: str) -> Account | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request is looked at: its target is path and query as they were sent."""

    method: str
    target: str
    authorization: str
    idempotency_key: str = ""
    acts_for: str = ""
    """The account that an operator acts for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, by one of its keys; or an operator, for an account or for none."""

    named: Account | None
    key: str
    scopes: frozenset[Scope]
    test: bool = False
    signature: str = ""
    """Of a signed request: the same one never comes twice but as a replay."""
    is_operator: bool = False
    by_token: bool = False
    """By a short-lived token: it makes no key and no further token, or it would live for ever."""

    @property
    def account(self) -> Account:
        """Give the account. Raises RequestRefused where an operator names none."""
        if self.named is None:
            raise RequestRefused.of(422, Code.ACCOUNT_UNKNOWN, "Yizhan-Account")
        return self.named

    @property
    def account_id(self) -> str:
        return self.account.id

    def must_have(self, *scopes: Scope) -> None:
        """Raise RequestRefused (403) unless the key has all of these scopes."""
        for scope in scopes:
            if scope not in self.scopes:
                detail = f"This key has no scope {scope}."
                raise RequestRefused.of(403, Code.SCOPE_MISSING, "Authorization", detail)

    def must_have_key(self) -> None:
        """Raise RequestRefused (403) for who came with a token."""
        if self.by_token:
            raise RequestRefused.of(403, Code.KEY_NEEDED, "Authorization")

    def must_be_operator(self) -> None:
        """Raise RequestRefused (403) unless this is one of the operators."""
        if not self.is_operator:
            raise RequestRefused.of(403, Code.OPERATOR_ONLY, "Authorization")


class Authenticator:
    """Lets requests in by signature, by bearer secret, or by the operators' token.

    What is refused never says which half was wrong, and costs the same.
    """

    def __init__(
        self,
        keys: KeyTable,
        accounts: Accounts,
        clock: Clock,
        operator_token: str = "",
        token_keys: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._clock = clock
        self._token_keys = token_keys
        self._operator = sha256_of(operator_token) if operator_token else ""

    def authenticate(self, asked: Asked, body: bytes) -> Caller:
        """Say who asks. Raises RequestRefused (401)."""
        if asked.authorization[: len(_BEARER)].lower() == _BEARER:
            caller = self._by_bearer(asked.authorization[len(_BEARER) :].strip(), asked.acts_for)
        else:
            caller = self._by_signature(asked, body)
        if caller is None:
            raise RequestRefused.of(401, Code.UNAUTHENTICATED, "Authorization")
        return caller

    def by_secret(self, key: str, secret: str) -> Caller:
        """Say whose key and secret these are. Raises RequestRefused (401)."""
        caller = self._by_bearer(f"{key}.{secret}", "")
        if caller is None or caller.is_operator:
            raise RequestRefused.of(401, Code.UNAUTHENTICATED, "key")
        return caller

    def _by_bearer(self, token: str, acts_for: str) -> Caller | None:
        if self._operator and hmac.compare_digest(self._operator, sha256_of(token)):
            return self._by_operator(acts_for)
        if token.count(".") == _JWT_DOTS and token.startswith("eyJ"):
            return self._by_token(token)
        name, _, secret = token.partition(".")
        key = self._keys.find(name)
        told = sha256_of(secret)
        good = [one.is_told(told) for one in _secrets_of(key)]
        return self._caller(key, "") if key is not None and any(good) else None

    def _by_token(self, token: str) -> Caller | None:
        try:
            holder = read_token(token, self._token_keys, self._clock.now().timestamp())
        except BadToken:
            return None
        scopes = frozenset(scope for scope in Scope if scope in holder.scopes)
        account = self._accounts.account(holder.account_id) if holder.account_id else None
        if account is None and not holder.is_operator:
            return None
        return Caller(account, "", scopes, holder.test, "", holder.is_operator, by_token=True)

    def _by_operator(self, acts_for: str) -> Caller | None:
        account = self._accounts.account(acts_for) if acts_for else None
        if acts_for and account is None:
            raise RequestRefused.of(422, Code.ACCOUNT_UNKNOWN, "Yizhan-Account")
        return Caller(account, "", _ALL, is_operator=True)

    def _by_signature(self, asked: Asked, body: bytes) -> Caller | None:
        shown = signing.read(asked.authorization)
        if shown is None:
            return None
        key = self._keys.find(shown.key)
        lines = signing.canonical(
            asked.method, asked.target, shown.timestamp, asked.idempotency_key, body
        )
        good = [
            hmac.compare_digest(signing.sign(one.clear, lines), shown.signature)
            for one in _secrets_of(key)
            if one.clear
        ]
        if key is None or not any(good):
            return None
        if abs(self._clock.now().timestamp() - int(shown.timestamp)) > signing.WINDOW_S:
            # Told only to who holds the secret: their clock is wrong, or it is a late replay.
            raise RequestRefused.of(401, Code.TIMESTAMP_EXPIRED, "Authorization")
        return self._caller(key, shown.signature)

    def _caller(self, key: Key, signature: str) -> Caller | None:
        account = self._accounts.account(key.account_id)
        if account is None:
            return None
        return Caller(account, key.key, key.scopes, key.test, signature)


def _secrets_of(key: Key | None) -> tuple[Secret, ...]:
    return key.secrets if key is not None else _NOBODYS
