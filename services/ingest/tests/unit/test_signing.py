"""Signed requests: the vectors that docs/signing.md publishes, and all that is not let in."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from services.ingest.tests.unit.fakes import NOON, FakeClock
from services.ingest.tests.unit.making import catalogue

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Asked, Authenticator
from ingest.keys.domain import Key, KeyTable, Secret, sha256_of
from ingest.keys.signing import canonical, sign

DOCS = Path(__file__).parents[4] / "docs/signing.md"
NOW = int(NOON.timestamp())
SECRETS = ("the-new-secret", "the-old-secret")
BODY = b'{"to":"+12015550123"}'


def key(*secrets: str, account_id: str = "shop", **fields: Any) -> Key:
    made = tuple(Secret(text[:8], sha256_of(text), NOON, text) for text in secrets)
    scopes = frozenset({Scope.SEND})
    plain = Key(
        "signing-key", account_id, "a key", scopes, test=False, secrets=made, created_at=NOON
    )
    return replace(plain, **fields)


def authenticator(*keys: Key) -> Authenticator:
    return Authenticator(KeyTable(keys), catalogue(), FakeClock(), "the-operators-token")


def asked(
    secret: str = SECRETS[0],
    *,
    name: str = "signing-key",
    method: str = "POST",
    target: str = "/v1/messages?x=1",
    timestamp: int = NOW,
    idempotency_key: str = "k-1",
    body: bytes = BODY,
) -> Asked:
    signature = sign(secret, canonical(method, target, str(timestamp), idempotency_key, body))
    shown = f"YIZHAN-HMAC-SHA256 key={name}, timestamp={timestamp}, signature={signature}"
    return Asked("POST", "/v1/messages?x=1", shown, "k-1")


def refused(how: Asked, *keys: Key, body: bytes = BODY) -> Code:
    with pytest.raises(RequestRefused) as caught:
        authenticator(*keys).authenticate(how, body)
    assert caught.value.status == 401
    return caught.value.refusals[0].code


@pytest.mark.parametrize("secret", SECRETS)
def test_both_live_secrets_of_a_key_sign(secret: str) -> None:
    caller = authenticator(key(*SECRETS)).authenticate(asked(secret), BODY)
    assert (caller.account_id, caller.scopes) == ("shop", frozenset({Scope.SEND}))
    assert caller.signature


@pytest.mark.parametrize("off_s", [-300, 300])
def test_a_clock_may_be_five_minutes_off(off_s: int) -> None:
    caller = authenticator(key(*SECRETS)).authenticate(asked(timestamp=NOW + off_s), BODY)
    assert caller.account_id == "shop"


@pytest.mark.parametrize("off_s", [-301, 301, -(10**9), 10**11])
def test_what_was_signed_at_another_time_is_not_let_in(off_s: int) -> None:
    how = asked(timestamp=max(0, NOW + off_s))
    assert refused(how, key(*SECRETS)) is Code.TIMESTAMP_EXPIRED


@pytest.mark.parametrize(
    "how",
    [
        asked("a-guess"),
        asked(name="nobody"),
        asked(method="GET"),
        asked(target="/v1/messages"),
        asked(idempotency_key=""),
        asked(body=BODY + b" "),
    ],
    ids=["secret", "key", "method", "target", "idempotency key", "body"],
)
def test_every_part_of_a_request_is_signed(how: Asked) -> None:
    assert refused(how, key(*SECRETS)) is Code.UNAUTHENTICATED


def test_a_timestamp_is_not_told_to_whom_does_not_know_the_secret() -> None:
    assert refused(asked("a-guess", timestamp=0), key(*SECRETS)) is Code.UNAUTHENTICATED


def test_a_revoked_key_an_unknown_account_and_a_secret_known_by_its_hash_sign_nothing() -> None:
    assert refused(asked(), key(*SECRETS, revoked_at=NOON)) is Code.UNAUTHENTICATED
    assert refused(asked(), key(*SECRETS, account_id="nowhere")) is Code.UNAUTHENTICATED
    hashed = Secret("s", sha256_of(SECRETS[0]), NOON)
    by_hash = replace(key(), secrets=(hashed,))
    assert refused(asked(), by_hash) is Code.UNAUTHENTICATED
    told = Asked("GET", "/", f"Bearer signing-key.{SECRETS[0]}")
    assert authenticator(by_hash).authenticate(told, b"").account_id == "shop"


@pytest.mark.parametrize(
    "shown",
    [
        "YIZHAN-HMAC-SHA256",
        "YIZHAN-HMAC-SHA256 key=signing-key, timestamp=, signature=",
        f"YIZHAN-HMAC-SHA256 key=signing-key, timestamp={NOW}, signature={'g' * 64}",
        f"YIZHAN-HMAC-SHA256 key=signing-key, timestamp={NOW}, signature={'0' * 63}",
        f"YIZHAN-HMAC-SHA256 key=signing-key, timestamp={'9' * 400}, signature={'0' * 64}",
        f"YIZHAN-HMAC-SHA256 key=signing-key, timestamp=١٢٣, signature={'0' * 64}",
    ],
)
def test_what_is_no_signature_is_not_let_in(shown: str) -> None:
    assert refused(Asked("POST", "/v1/messages?x=1", shown), key(*SECRETS)) is Code.UNAUTHENTICATED


def test_an_operator_acts_for_an_account_or_for_none() -> None:
    doors = authenticator()
    bearer = "Bearer the-operators-token"
    nobody = doors.authenticate(Asked("GET", "/", bearer), b"")
    assert nobody.is_operator
    with pytest.raises(RequestRefused):
        _ = nobody.account
    shop = doors.authenticate(Asked("GET", "/", bearer, acts_for="shop"), b"")
    assert (shop.account_id, shop.is_operator) == ("shop", True)
    with pytest.raises(RequestRefused) as caught:
        doors.authenticate(Asked("GET", "/", bearer, acts_for="nowhere"), b"")
    assert caught.value.refusals[0].code is Code.ACCOUNT_UNKNOWN


def test_without_an_operators_token_nobody_is_one() -> None:
    doors = Authenticator(KeyTable(), catalogue(), FakeClock(), "")
    for bearer in ("Bearer ", "Bearer  ", "Bearer ."):
        with pytest.raises(RequestRefused):
            doors.authenticate(Asked("GET", "/", bearer), b"")


def test_the_published_vectors_are_right() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| `([^`]+)` \| `(\d+)` \| (?:`([^`]*)`|-) \| (?:`([^`]*)`|-) "
        r"\| `(\w{64})` \|$",
        text,
        re.MULTILINE,
    )
    assert len(rows) >= 3
    for method, target, timestamp, idempotency_key, body, signature in rows:
        lines = canonical(method, target, timestamp, idempotency_key, body.encode())
        assert sign("a-secret-of-the-documentation", lines) == signature
