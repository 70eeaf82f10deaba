"""Fixtures for every suite: real servers, and a corner of them for each test.

The root conftest.py loads this, so that any test may ask for `servers`, `kafka_url`, `mongo_url`,
`namespace` or `private_servers`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.servers import PrivateServers, Servers, choose_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Kafka and MongoDB for the whole run, chosen by `yizhan_local.servers`; never kill them."""
    with choose_servers() as chosen:
        yield chosen


@pytest.fixture(scope="session")
def kafka_url(servers: Servers) -> str:
    """Bootstrap addresses of the Kafka of this run."""
    return servers.kafka_url


@pytest.fixture(scope="session")
def mongo_url(servers: Servers) -> str:
    """Connection string of the MongoDB of this run."""
    return servers.mongo_url


@pytest.fixture
def namespace(servers: Servers) -> Iterator[str]:
    """A prefix of this test's own; what it names is deleted afterwards."""
    prefix = new_namespace()
    yield prefix
    drop_namespace(servers.kafka_url, servers.mongo_url, prefix)


@pytest.fixture
def private_servers(tmp_path: Path) -> Iterator[PrivateServers]:
    """A Kafka and a mongod that this test may kill, freeze and start again."""
    with PrivateServers(tmp_path / "servers") as private:
        yield private
