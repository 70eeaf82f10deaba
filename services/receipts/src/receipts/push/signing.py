"""Signatures of pushes by Standard Webhooks (standardwebhooks.com): symmetric, ``v1``.

Three lines of the standard library: the reference library is not worth a dependency of a service,
and is the witness in the tests.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32
"""Of a secret; the specification wants 24 to 64."""


def new_secret() -> str:
    """Draw a secret, as it is told: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed(keys: Iterable[str], webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Give the three headers, with one signature for each secret; none without a secret."""
    timestamp = str(int(at.timestamp()))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [_signature(key, content) for key in keys]
    if not signatures:
        return {}
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
