"""Endpoints in MongoDB: one document an account, its secrets sealed, never deleted."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from receipts.push.endpoints import Endpoint, Secret, State, Wishes
from yizhan_runtime import Clock, Index, Mongo, get_logger
from yizhan_runtime.vault import CannotOpen, Vault

log = get_logger(__name__)

ENDPOINTS: Final = "endpoints"


class MongoEndpoints:
    """Implements EndpointStore."""

    def __init__(self, mongo: Mongo, vault: Vault, clock: Clock) -> None:
        self._mongo = mongo
        self._vault = vault
        self._clock = clock

    async def prepare(self) -> None:
        """Create the index that the listing stands on; the feed creates its own."""
        await self._mongo.ensure_indexes(ENDPOINTS, [Index((("state", 1), ("_id", 1)))])

    async def add(self, endpoint: Endpoint) -> bool:
        document = {"_id": endpoint.account_id, **self._document(endpoint)}
        return await self._mongo.insert_one(ENDPOINTS, document)

    async def replace(self, endpoint: Endpoint, version: int) -> bool:
        query = {"_id": endpoint.account_id, "version": version}
        update = {"$set": self._document(endpoint)}
        return bool(await self._mongo.update_one(ENDPOINTS, query, update))

    async def find(self, account_ids: Collection[str]) -> dict[str, Endpoint]:
        found = await self._mongo.find_by_ids(ENDPOINTS, account_ids)
        return {account_id: self.read(document) for account_id, document in found.items()}

    async def page(self, after: str, limit: int) -> list[Endpoint]:
        states = [State.ACTIVE.value, State.PAUSED.value]
        query = {"state": {"$in": states}, "_id": {"$gt": after}}
        found = await self._mongo.find(ENDPOINTS, query, sort=(("_id", 1),), limit=limit)
        return [self.read(document) for document in found]

    def read(self, document: Mapping[str, Any]) -> Endpoint:
        """Make an endpoint of its document."""
        account_id = document["_id"]
        return Endpoint(
            account_id,
            Wishes.model_validate(document["wishes"]),
            State(document["state"]),
            tuple(self._secret(account_id, one) for one in document["secrets"]),
            document["resumed_at"],
            document["version"],
            document["seed"],
        )

    def _secret(self, account_id: str, document: Mapping[str, Any]) -> Secret:
        clear, secret_id = "", document["secret_id"]
        try:
            clear = self._vault.open(document["sealed"], _place(account_id, secret_id))
        except CannotOpen as error:
            extra = {"secret_id": secret_id, "why": str(error)}
            log.warning("a secret cannot be opened: it signs nothing", extra=extra)
        return Secret(
            secret_id, clear, document["created_at"], document["retires_at"], document["sealed"]
        )

    def _document(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            "wishes": endpoint.wishes.model_dump(mode="json"),
            "state": endpoint.state.value,
            "secrets": [self._sealed(endpoint.account_id, one) for one in endpoint.secrets],
            "resumed_at": endpoint.resumed_at,
            "version": endpoint.version,
            "changed_at": self._clock.now(),
            "seed": endpoint.seed,
        }

    def _sealed(self, account_id: str, secret: Secret) -> dict[str, Any]:
        place = _place(account_id, secret.secret_id)
        return {
            "secret_id": secret.secret_id,
            "sealed": secret.sealed or self._vault.seal(secret.clear, place),
            "created_at": secret.created_at,
            "retires_at": secret.retires_at,
        }


def _place(account_id: str, secret_id: str) -> str:
    """Name where a secret belongs: moved to another endpoint, it does not open."""
    return f"endpoint {account_id} {secret_id}"
