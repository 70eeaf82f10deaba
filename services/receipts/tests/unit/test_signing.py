"""Signatures, checked by the reference library of Standard Webhooks."""

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from services.receipts.tests.unit.making import message_id_of
from services.receipts.tests.unit.pushing import Pushing
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from receipts.push.endpoints import BOTH_SIGN_FOR, About, Endpoint, Secret, Wishes, rotated
from receipts.push.signing import new_secret, signed

DOCS = Path(__file__).parents[4] / "docs/push.md"
BODY = '{"smsResult":[{"smsId":"x","respMessage":"号码"}]}'.encode()


@pytest.fixture
def now() -> datetime:
    """The library refuses what is older than five minutes: a suite takes longer to collect."""
    return datetime.now(UTC)


def test_the_reference_library_takes_a_signature_and_nothing_that_was_changed(
    now: datetime,
) -> None:
    secret = new_secret()
    headers = signed([secret], "msg_1", now, BODY)
    Webhook(secret).verify(BODY, headers)
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(now.timestamp()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


def test_it_is_the_sample_of_the_specification() -> None:
    """The worked example of standard-webhooks: its reference library signs the same."""
    secret, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime.fromtimestamp(1614265330, UTC)
    headers = signed([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_has_32_bytes_and_is_drawn_anew() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != new_secret()


def test_without_a_secret_there_are_no_headers(now: datetime) -> None:
    assert signed([], "msg_1", now, BODY) == {}


def secret_of(clear: str, name: str = "one") -> Secret:
    return Secret(name, clear, datetime.now(UTC))


def test_after_a_rotation_both_secrets_sign_for_a_day_and_older_ones_no_more(
    now: datetime,
) -> None:
    first, second, third = (secret_of(new_secret(), name) for name in ("a", "b", "c"))
    endpoint = Endpoint("acme", Wishes.model_validate({"url": "https://example.com/x"}))
    for secret in (first, second, third):
        endpoint = rotated(endpoint, secret, now)
    assert [one.secret_id for one in endpoint.secrets] == ["c", "b"]
    target = endpoint.target(About.RESULTS)
    assert target is not None
    headers = signed(target.signing_keys(now), "msg_1", now, BODY)
    for secret in (second, third):
        Webhook(secret.clear).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(first.clear).verify(BODY, headers)
    assert target.signing_keys(now + BOTH_SIGN_FOR) == [third.clear]


async def test_a_signed_push_has_the_same_body_and_a_repeat_the_same_id() -> None:
    secret = secret_of(new_secret())
    async with Pushing("acme", "plain") as push:
        push.put("acme", 2, secret)
        for account in ("acme", "plain", "acme"):
            push.store.pushed.clear()
            push.ended.clear()
            push.settle(1, account=account)
            await push.until(lambda: bool(push.ended))
        first, again = push.customer("acme").requests
        (plain,) = push.customer("plain").requests
    assert first.body == again.body == plain.body
    assert message_id_of(1).encode() in first.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert {name for name in plain.headers if name.startswith("webhook")} == set()
    assert set(first.headers) - set(plain.headers) == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }


def test_a_secret_is_not_in_what_is_printed_of_it() -> None:
    secret = new_secret()
    endpoint = Endpoint("acme", Wishes(), secrets=(secret_of(secret),))
    assert secret not in repr(endpoint)
    assert timedelta(hours=24) == BOTH_SIGN_FOR


def test_the_lines_in_the_documents_verify_a_push_and_refuse_another() -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    told: dict[str, Any] = {}
    exec(lines, told)  # what customers are told to run
    secret, now = new_secret(), datetime.now(UTC)
    headers = signed([new_secret(), secret], "msg_1", now, BODY)
    assert told["is_ours"](secret, headers, BODY)
    assert not told["is_ours"](secret, headers, BODY + b" ")
    assert not told["is_ours"](new_secret(), headers, BODY)
    old = signed([secret], "msg_1", now - timedelta(minutes=6), BODY)
    assert not told["is_ours"](secret, old, BODY)
