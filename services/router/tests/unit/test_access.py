"""Who may ask the router: operators and services, nobody else."""

import pytest
from fastapi import HTTPException
from pydantic import SecretStr
from services.router.tests.unit.fakes import FakeClock

from router.api.access import Access
from yizhan_runtime.errors import Retryable
from yizhan_runtime.tokens import BadToken, Holder, TokenReader


class Tokens(TokenReader):
    """Knows three tokens."""

    def __init__(self) -> None:
        super().__init__("", FakeClock())

    async def read(self, token: str) -> Holder:
        if token == "away":
            raise Retryable("ingest's keys cannot be read")
        if token not in {"of-operator", "of-account"}:
            raise BadToken("no token")
        return Holder("shop", frozenset({"read"}), is_operator=token == "of-operator")


async def status(authorization: str, internal: str = "inner") -> int:
    try:
        await Access(SecretStr(internal), Tokens()).operator(authorization)
    except HTTPException as error:
        return error.status_code
    return 200


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer inner", 200),
        ("bearer of-operator", 200),
        ("Bearer of-account", 403),
        ("Bearer guess", 401),
        ("Basic inner", 401),
        ("inner", 401),
        ("", 401),
        ("Bearer away", 503),
    ],
)
async def test_operators_and_services_are_let_in(authorization: str, expected: int) -> None:
    assert await status(authorization) == expected


async def test_an_empty_internal_token_lets_nobody_in() -> None:
    assert await status("Bearer ", internal="") == 401
