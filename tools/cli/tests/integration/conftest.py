"""The command against a real Kafka."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Done:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"exit code {self.code}: {self.err}"
        return json.loads(self.out)


Yizhan = Callable[..., Done]


@pytest.fixture
def yizhan(kafka_url: str, namespace: str) -> Yizhan:
    """Run the command as an operator would, on this test's corner of Kafka."""
    own = {"YIZHAN_KAFKA_URL": kafka_url, "YIZHAN_NAMESPACE": namespace}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("YIZHAN_")}

    def run(*arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "yizhan_cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=inherited | own,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
