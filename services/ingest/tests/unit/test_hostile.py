"""Whatever is sent to the registry and the preview, it is answered, and never with a 5xx."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.ingest.tests.unit import test_preview, test_reviews
from services.ingest.tests.unit.asgi import call
from services.ingest.tests.unit.making import AUTHORIZATION

OPERATOR = f"Bearer {test_reviews.OPERATOR}"
ROUTES = (
    ("POST", "/v1/templates"),
    ("POST", "/v1/templates/welcome/versions/1/approve"),
    ("POST", "/v1/templates/welcome/versions/1/reject"),
    ("POST", "/v1/templates/welcome/versions/99999999999999999999/submit"),
    ("POST", "/v1/senders"),
    ("POST", "/v1/senders/*/%00/approve"),
    ("GET", "/v1/templates?state=%00"),
    ("GET", "/v1/templates/%ff"),
)
_odd = st.sampled_from(
    ["\ud800", "\x00", "{", "{}", "{name}", "【{name}】", "x" * 3000, "\u202e", "(?=a)", "(", "*"]
)
_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _odd
_anything = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | _odd, inner),
    max_leaves=8,
)
_names = st.sampled_from(["name", "a", "Bad", "\ud800", "", "x" * 60])
_variable = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "url", "nothing"]) | _leaf,
        "pattern": _leaf,
        "example": _leaf,
        "hosts": st.lists(_leaf, max_size=2),
        "max_length": st.integers(-1, 100) | _leaf,
    },
)
_template = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("welcome") | _leaf,
        "languages": st.dictionaries(st.just("zh") | _names, _leaf, max_size=3) | _leaf,
        "variables": st.dictionaries(_names, _variable | _leaf, max_size=3) | _leaf,
        "voice_script": st.dictionaries(_names, _leaf, max_size=2),
        "category": _leaf,
        "value": _leaf,
        "country": st.sampled_from(["*", "CN", "china"]) | _leaf,
        "type": _leaf,
        "reviewer": _leaf,
        "reason": _leaf,
        "template": st.sampled_from(["score", "delivered"]) | _leaf,
        "text": _leaf,
        "to": _leaf,
        "sender": _leaf,
        "language": _leaf,
        "version": _leaf,
        "countries": st.lists(_leaf, max_size=2),
    },
)


@cache
def _registry() -> test_reviews.World:
    return test_reviews.World()


@cache
def _preview() -> test_preview.World:
    return test_preview.World()


def _written(body: object) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")


@settings(suppress_health_check=list(HealthCheck), max_examples=100, deadline=None)
@given(st.sampled_from(ROUTES), _template | _anything, st.sampled_from([AUTHORIZATION, OPERATOR]))
async def test_the_registry_answers_anything(route: tuple[str, str], body: Any, auth: str) -> None:
    world = _registry()
    method, path = route
    reply = await world.ask(method, path, auth=auth, account="shop", body=body)
    assert reply.status < 500
    assert (reply.status < 300) or reply.json()["code"]


@settings(suppress_health_check=list(HealthCheck), max_examples=100, deadline=None)
@given(_template | _anything)
async def test_the_preview_answers_anything(body: Any) -> None:
    world = _preview()
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
    reply = await call(world.app, "POST", "/v1/preview", headers=headers, body=_written(body))
    assert reply.status < 500


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"null", b"[" * 5000, b"1e999", b'{"id": NaN}', b"x" * 70_000]
)
async def test_a_body_that_is_no_object_is_a_4xx(body: bytes) -> None:
    world = _registry()
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
    reply = await call(world.app, "POST", "/v1/templates", headers=headers, body=body)
    assert 400 <= reply.status < 500
