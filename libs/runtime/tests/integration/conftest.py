"""A service in this process, or as a process, on the real Kafka of the run."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from libs.runtime.tests.corner import Corner
from libs.runtime.tests.processes import Program, end_all

from yizhan_contracts.topics import all_topics

StartProgram = Callable[..., Program]


@pytest.fixture
async def corner(kafka_url: str, mongo_url: str, namespace: str) -> AsyncIterator[Corner]:
    async with AsyncExitStack() as stack:
        corner = Corner(kafka_url, mongo_url, namespace, stack)
        await corner.provision(all_topics(()))
        yield corner


@pytest.fixture
async def program(corner: Corner, tmp_path: Path) -> AsyncIterator[StartProgram]:
    """Makes programs in the corner; ``settings`` are YIZHAN_ variables without their prefix."""
    made: list[Program] = []

    def make(**settings: Any) -> Program:
        told = {
            "kafka_url": corner.kafka_url,
            "mongo_url": corner.mongo_url,
            "namespace": corner.namespace,
            "drain_timeout_s": 5,
            **settings,
        }
        environment = {f"YIZHAN_{name.upper()}": str(value) for name, value in told.items()}
        made.append(Program(tmp_path / f"program-{len(made)}.log", environment))
        return made[-1]

    yield make
    await end_all(made)
