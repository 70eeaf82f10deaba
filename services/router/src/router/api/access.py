"""Who may ask: whoever shows the internal token."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Header, HTTPException
from pydantic import SecretStr


def bearer(token: SecretStr) -> Callable[[str | None], None]:
    """Make a dependency that answers 401 without ``Authorization: Bearer <token>``."""
    expected = f"Bearer {token.get_secret_value()}".encode()

    def check(authorization: Annotated[str | None, Header()] = None) -> None:
        given = (authorization or "").encode()
        if not token.get_secret_value() or not hmac.compare_digest(given, expected):
            raise HTTPException(401, "show the internal token", {"WWW-Authenticate": "Bearer"})

    return check
