"""Tokens: ingest signs them, the runtime reads them; all that is not quite one is refused."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from services.ingest.tests.unit.fakes import NOON, FakeClock
from services.ingest.tests.unit.making import catalogue

from ingest.catalogue import Scope
from ingest.codes import Code
from ingest.errors import RequestRefused
from ingest.keys.callers import Asked, Authenticator, Caller
from ingest.keys.domain import KeyTable
from ingest.keys.tokens import TokenIssuer
from yizhan_runtime.tokens import BadToken, Holder, TokenReader, read_keys, read_token

MATERIALS = ["material-of-the-test", "older-material-of-the-test"]
READ = frozenset({Scope.READ})
NOW_S = NOON.timestamp()


def issuer(materials: list[str] = MATERIALS) -> TokenIssuer:
    return TokenIssuer(materials, FakeClock())


def caller(**fields: Any) -> Caller:
    return replace(Caller(catalogue().account("shop"), "k", frozenset(Scope)), **fields)


def token(**fields: Any) -> str:
    return issuer().issue(caller(**fields), READ, 300)[0]


KEYS = read_keys(json.loads(json.dumps(issuer().jwks())))


def test_what_ingest_signs_is_read_with_the_keys_that_it_publishes() -> None:
    assert read_token(token(), KEYS, NOW_S) == Holder("shop", frozenset({"read"}))
    test = read_token(token(test=True), KEYS, NOW_S)
    operator = read_token(token(named=None, is_operator=True), KEYS, NOW_S)
    assert (test.test, operator.is_operator, operator.account_id) == (True, True, "")


def test_the_keys_of_an_older_material_are_published_too() -> None:
    older = issuer(MATERIALS[1:]).issue(caller(), READ, 300)[0]
    assert read_token(older, KEYS, NOW_S).account_id == "shop"
    assert "d" not in issuer().jwks()["keys"][0]


@pytest.mark.parametrize("off_s", [-31, 331])
def test_a_token_is_good_for_minutes(off_s: int) -> None:
    assert read_token(token(), KEYS, NOW_S + 330).account_id == "shop"
    with pytest.raises(BadToken):
        read_token(token(), KEYS, NOW_S + off_s)


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_no_other_algorithm_and_no_other_key_is_taken() -> None:
    key_id = next(iter(KEYS))
    head, claims, signature = token().split(".")
    forged = Ed25519PrivateKey.generate()
    said = jwt.decode(token(), options={"verify_signature": False})
    for bad in (
        f"{part({'alg': 'none', 'kid': key_id})}.{claims}.",
        f"{part({'alg': 'HS256', 'kid': key_id})}.{claims}.{signature}",
        f"{part({'alg': 'EdDSA', 'kid': 'nobody'})}.{claims}.{signature}",
        f"{part({'alg': 'EdDSA'})}.{claims}.{signature}",
        f"{head}.{part(said | {'sub': 'other'})}.{signature}",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        jwt.encode(said, forged, algorithm="EdDSA", headers={"kid": key_id}),
        "",
        "..",
        "eyJ" * 1000,
    ):
        with pytest.raises(BadToken):
            read_token(bad, KEYS, NOW_S)


@pytest.mark.parametrize(
    "change",
    [{"iss": "x"}, {"aud": "x"}, {"sub": None}, {"exp": None}, {"exp": "soon"}, {"sub": 7}],
)
def test_every_claim_must_be_there_and_right(change: dict[str, Any]) -> None:
    made = issuer()
    key_id, key = next(iter(made._keys.items()))
    said = jwt.decode(token(), options={"verify_signature": False}) | change
    said = {name: value for name, value in said.items() if value is not None}
    with pytest.raises(BadToken):
        read_token(jwt.encode(said, key, "EdDSA", {"kid": key_id}), KEYS, NOW_S)


@given(st.text() | st.binary().map(bytes.hex))
def test_no_text_is_a_mistake_of_ours(text: str) -> None:
    with pytest.raises(BadToken):
        read_token(text, KEYS, NOW_S)


def test_ingest_takes_its_own_tokens_but_they_make_no_key_and_no_token() -> None:
    made = issuer()
    doors = Authenticator(KeyTable(), catalogue(), FakeClock(), token_keys=made.public_keys)
    came = doors.authenticate(Asked("GET", "/", f"Bearer {token()}"), b"")
    assert (came.account_id, came.scopes, came.by_token) == ("shop", READ, True)
    with pytest.raises(RequestRefused) as caught:
        made.issue(came, READ, 300)
    assert caught.value.refusals[0].code is Code.KEY_NEEDED
    late = FakeClock(NOON + timedelta(hours=1))
    doors = Authenticator(KeyTable(), catalogue(), late, token_keys=made.public_keys)
    with pytest.raises(RequestRefused):
        doors.authenticate(Asked("GET", "/", f"Bearer {token()}"), b"")


def test_a_token_has_no_scope_that_its_key_has_not() -> None:
    with pytest.raises(RequestRefused) as caught:
        issuer().issue(caller(scopes=frozenset({Scope.SEND})), READ, 300)
    assert caught.value.refusals[0].code is Code.SCOPE_MISSING
    with pytest.raises(RequestRefused) as caught:
        issuer([]).issue(caller(), READ, 300)
    assert caught.value.refusals[0].code is Code.VAULT_MISSING


def test_personal_data_is_seen_with_a_token_that_was_given_the_scope() -> None:
    both = frozenset({Scope.READ, Scope.READ_PERSONAL})
    text, _ = issuer().issue(caller(), both, 300)
    assert read_token(text, KEYS, NOW_S).may_see_personal
    assert not read_token(token(), KEYS, NOW_S).may_see_personal
    with pytest.raises(RequestRefused) as caught:
        issuer().issue(caller(scopes=READ), both, 300)
    assert caught.value.refusals[0].code is Code.SCOPE_MISSING


@pytest.mark.parametrize(
    "document", [None, [], {"keys": [7, {}, {"kty": "OKP", "crv": "Ed25519"}]}]
)
def test_a_key_set_that_is_none_holds_no_keys(document: object) -> None:
    assert read_keys(document) == {}


async def test_without_an_address_no_token_lets_in() -> None:
    with pytest.raises(BadToken):
        await TokenReader("", FakeClock()).read(token())
