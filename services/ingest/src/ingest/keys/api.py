"""Routes to the account's keys. A secret is shown once, in the answer that made it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from ingest.catalogue import Scope
from ingest.keys.callers import Caller
from ingest.keys.domain import Key
from ingest.keys.guard import current_caller
from ingest.keys.service import ManageKeys
from ingest.requests.openapi import SECURED, problems

Admin = Annotated[Caller, Depends(current_caller(Scope.ADMIN))]
Name = Annotated[str, Path(max_length=64, description="The key, as it was given.")]

_NO_STORE = "no-store"


class NewKey(BaseModel):
    """What a key is for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = (Scope.READ, Scope.SEND)
    test: StrictBool = False
    """Messages of a test key go through the test channel: no carrier sees them."""


class KeySecret(BaseModel):
    """One of a key's secrets, by its name."""

    secret_id: str
    created_at: AwareDatetime
    can_sign: bool
    """False: seeded by its hash, it is good as a bearer only."""


class KeyShown(BaseModel):
    """A key, without its secrets."""

    key: str
    account_id: str
    name: str
    scopes: list[Scope]
    test: bool
    created_at: AwareDatetime
    secrets: list[KeySecret]


class KeyMade(KeyShown):
    """A key and its newest secret, which is shown this once."""

    secret: str


class KeyList(BaseModel):
    """The account's live keys."""

    keys: list[KeyShown]


def make_router(manage: ManageKeys) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/keys", tags=["keys"])

    async def make_key(caller: Admin, wanted: NewKey, response: Response) -> KeyMade:
        """Make a key. Its secret is shown in this answer and never again."""
        response.headers["Cache-Control"] = _NO_STORE
        return _made(*await manage.make(caller, wanted.name, wanted.scopes, test=wanted.test))

    async def list_keys(caller: Admin) -> KeyList:
        """List the account's live keys."""
        return KeyList(keys=[_shown(key) for key in await manage.listed(caller)])

    async def rotate_key(caller: Admin, key: Name, response: Response) -> KeyMade:
        """Give a key its next secret. The one before it stays good until it is dropped."""
        response.headers["Cache-Control"] = _NO_STORE
        return _made(*await manage.rotate(caller, key))

    async def drop_secret(
        caller: Admin, key: Name, secret_id: Annotated[str, Path(max_length=64)]
    ) -> KeyShown:
        """Take one of two secrets away: the change-over is done."""
        return _shown(await manage.drop_secret(caller, key, secret_id))

    async def revoke_key(caller: Admin, key: Name) -> None:
        """End a key, within a second everywhere."""
        await manage.revoke(caller, key)

    def add(path: str, method: str, work: Any, summary: str, *refused: int, status: int) -> None:  # noqa: ANN401 - any route
        router.add_api_route(
            path,
            work,
            methods=[method],
            summary=summary,
            status_code=status,
            responses=problems(400, 401, 403, 422, *refused, 500, 503),
            openapi_extra=SECURED,
        )

    add("", "POST", make_key, "Make a key", 409, 413, status=201)
    add("", "GET", list_keys, "List the keys", status=200)
    add("/{key}/rotate", "POST", rotate_key, "Give a key its next secret", 404, 409, status=200)
    add("/{key}/secrets/{secret_id}", "DELETE", drop_secret, "Drop a secret", 404, 409, status=200)
    add("/{key}", "DELETE", revoke_key, "Revoke a key", 404, 409, status=204)
    return router


def _shown(key: Key) -> KeyShown:
    return KeyShown(**_fields(key))


def _made(key: Key, secret: str) -> KeyMade:
    return KeyMade(**_fields(key), secret=secret)


def _fields(key: Key) -> dict[str, Any]:
    return {
        "key": key.key,
        "account_id": key.account_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "test": key.test,
        "created_at": key.created_at,
        "secrets": [
            KeySecret(secret_id=s.secret_id, created_at=s.created_at, can_sign=bool(s.clear))
            for s in key.secrets
        ],
    }
