"""Secrets at rest: AES-256-GCM under a key from the environment, which is not in the database.

Key material is any text of 16 characters or more. The first one seals; all of them open, so that a
new one can be put in front. A sealed value names the one that it needs.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from yizhan_runtime.errors import Misconfigured

_NONCE_BYTES = 12
_MIN_MATERIAL = 16
_KEY_BYTES = 32


class CannotOpen(Exception):
    """A value was sealed under key material that is not here any more, or it was changed."""


class Vault:
    """Seals and opens secrets. ``context`` binds a value to its place: moved, it does not open."""

    def __init__(self, materials: Sequence[str], setting: str) -> None:
        """Take key material from the environment variable ``setting``. Raises Misconfigured."""
        if any(len(material) < _MIN_MATERIAL for material in materials):
            raise Misconfigured(
                f"{setting}: each must have 16 characters or more: "
                "draw one with openssl rand -hex 32"
            )
        self._ciphers = {_id_of(text): AESGCM(derive(text, b"secrets")) for text in materials}
        self._current = next(iter(self._ciphers), "")

    @property
    def can_seal(self) -> bool:
        return bool(self._ciphers)

    def seal(self, clear: str, context: str) -> str:
        """Encrypt; gives ``<key id>.<base64 of nonce and ciphertext>``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, clear.encode(), context.encode())
        return f"{self._current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """Decrypt. Raises CannotOpen."""
        key_id, _, text = sealed.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpen(f"no key material {key_id} here")
        raw = base64.b64decode(text)
        try:
            clear = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise CannotOpen("the value was changed, or moved") from None
        return clear.decode()


def materials_of(setting: SecretStr) -> list[str]:
    """Give the key materials of a comma-separated setting, the one in use first."""
    texts = setting.get_secret_value().split(",")
    return [text.strip() for text in texts if text.strip()]


def derive(material: str, purpose: bytes) -> bytes:
    """Derive 32 bytes for one purpose from key material (RFC 5869)."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=b"yizhan " + purpose)
    return kdf.derive(material.encode())


def _id_of(material: str) -> str:
    return hashlib.sha256(derive(material, b"id")).hexdigest()[:8]
