"""Fixtures for every suite: real servers, and a corner of them for each test.

The root conftest.py loads this, so that any test may ask for `servers`, `kafka_url`, `mongo_url`,
`namespace` or `private_servers`. Servers are fetched and started once the tests are collected, not
in a fixture: a first download must not count against the time of the test that comes first.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from yizhan_local.errors import LocalError
from yizhan_local.jars import kafka_classpath
from yizhan_local.namespaces import drop_namespace, new_namespace
from yizhan_local.servers import PrivateServers, Servers, choose_servers

STARTED = pytest.StashKey[Servers]()
FAILURE = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers of the run if a test that was collected asks for them."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    try:
        if "private_servers" in asked:
            kafka_classpath()
        if "servers" in asked:
            session.config.stash[STARTED] = choose_servers().start()
    except LocalError as error:
        session.config.stash[FAILURE] = str(error)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the servers of the run, or leave the shared ones to their other users."""
    servers = session.config.stash.get(STARTED, None)
    if servers is not None:
        servers.stop()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Kafka and MongoDB for the whole run, chosen by `yizhan_local.servers`; never kill them."""
    if STARTED not in pytestconfig.stash:
        pytest.fail(pytestconfig.stash.get(FAILURE, "servers were not started"), pytrace=False)
    return pytestconfig.stash[STARTED]


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
