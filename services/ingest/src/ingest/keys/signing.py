"""The signature of a request: HMAC-SHA256 over what it asks for.

``Authorization: YIZHAN-HMAC-SHA256 key=<key>, timestamp=<unix seconds>, signature=<hex>``, over six
lines joined by line feeds: the scheme's name, the method, the target as it is sent (path and
query), the timestamp, the Idempotency-Key (empty without one), the body's SHA-256 in hex.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

SCHEME = "YIZHAN-HMAC-SHA256"
WINDOW_S = 300
"""How far a timestamp may be from now, either way."""

_HEADER = re.compile(
    SCHEME + r"\s+key=([A-Za-z0-9_-]{4,64})\s*,\s*timestamp=([0-9]{1,12})\s*,"
    r"\s*signature=([0-9a-f]{64})\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signed request shows."""

    key: str
    timestamp: str
    signature: str


def read(authorization: str) -> Signature | None:
    """Read the header; None if it is another one, or not well-formed."""
    match = _HEADER.fullmatch(authorization)
    return Signature(match[1], match[2], match[3].lower()) if match else None


def canonical(method: str, target: str, timestamp: str, idempotency_key: str, body: bytes) -> bytes:
    """Write the six lines that are signed."""
    body_hash = hashlib.sha256(body).hexdigest()
    lines = (SCHEME, method, target, timestamp, idempotency_key, body_hash)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def sign(secret: str, lines: bytes) -> str:
    """Sign; gives lower-case hex."""
    return hmac.new(secret.encode(), lines, hashlib.sha256).hexdigest()
