"""Ingest's collection ``keys``: API keys, their secrets sealed under a key from the environment."""

from collections.abc import Sequence

from ingest.catalogue import Scope
from ingest.keys.domain import Key, Secret
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger
from yizhan_runtime.mongo import Document, Index, Mongo
from yizhan_runtime.vault import CannotOpen, Vault

log = get_logger(__name__)

KEYS = "keys"


class MongoKeys:
    """Implements ``keys.service.Keys``."""

    def __init__(self, mongo: Mongo, vault: Vault, clock: Clock) -> None:
        self._mongo = mongo
        self._vault = vault
        self._clock = clock

    async def ensure_indexes(self) -> None:
        """Create what the queries need."""
        await self._mongo.ensure_indexes(KEYS, [Index((("account_id", 1),))])

    async def add(self, key: Key) -> bool:
        return await self._mongo.insert_one(KEYS, {"_id": key.key, **self._document_of(key)})

    async def replace(self, key: Key, revision: int) -> bool:
        query = {"_id": key.key, "version": revision}
        return bool(await self._mongo.update_one(KEYS, query, {"$set": self._document_of(key)}))

    async def find(self, key: str) -> Key | None:
        found = await self._mongo.find(KEYS, {"_id": key}, limit=1)
        return self.read(found[0]) if found else None

    async def of_account(self, account_id: str) -> Sequence[Key]:
        found = await self._mongo.find(KEYS, {"account_id": account_id}, sort=[("_id", 1)])
        return [self.read(document) for document in found]

    def read(self, document: Document) -> Key:
        """Make a key of its document."""
        return Key(
            key=document["_id"],
            account_id=document["account_id"],
            name=document["name"],
            scopes=frozenset(map(Scope, document["scopes"])),
            test=document["test"],
            secrets=tuple(self._secret(document["_id"], one) for one in document["secrets"]),
            created_at=document["created_at"],
            revoked_at=document["revoked_at"],
            revision=document["version"],
            changed_by=document["changed_by"],
            seed=document["seed"],
        )

    def _secret(self, key: str, document: Document) -> Secret:
        clear = ""
        if document["sealed"]:
            try:
                clear = self._vault.open(document["sealed"], key)
            except CannotOpen as error:
                extra = {"secret_id": document["secret_id"], "why": str(error)}
                log.warning("a secret cannot be opened: it signs nothing", extra=extra)
        return Secret(document["secret_id"], document["sha256"], document["created_at"], clear)

    def _document_of(self, key: Key) -> Document:
        return {
            "account_id": key.account_id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "test": key.test,
            "secrets": [self._sealed(key.key, secret) for secret in key.secrets],
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
            "version": key.revision,
            "changed_at": self._clock.now(),
            "changed_by": key.changed_by,
            "seed": key.seed,
        }

    def _sealed(self, key: str, secret: Secret) -> Document:
        return {
            "secret_id": secret.secret_id,
            "sha256": secret.sha256,
            "created_at": secret.created_at,
            "sealed": self._vault.seal(secret.clear, key) if secret.clear else "",
        }
