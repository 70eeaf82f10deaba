"""Where the stack is that the demo drives."""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml


class DemoError(Exception):
    """The demo cannot run, and says why."""


@dataclass(frozen=True)
class Addresses:
    """All that the demo needs to know of a stack."""

    kafka_url: str
    namespace: str
    simulators_url: str
    receipts_url: str
    internal_token: str
    channels: tuple[str, ...]


def from_environment() -> Addresses:
    """Read the addresses of a stack that runs. Raises DemoError for what is missing."""
    try:
        table = yaml.safe_load(Path(os.environ["YIZHAN_DEMO_CHANNELS_FILE"]).read_text())
        return Addresses(
            kafka_url=os.environ["YIZHAN_KAFKA_URL"],
            namespace=os.environ.get("YIZHAN_NAMESPACE", ""),
            simulators_url=os.environ["YIZHAN_DEMO_SIMULATORS_URL"],
            receipts_url=os.environ["YIZHAN_DEMO_RECEIPTS_URL"],
            internal_token=os.environ.get("YIZHAN_INTERNAL_TOKEN", ""),
            channels=tuple(channel["channel"] for channel in table["channels"]),
        )
    except KeyError as error:
        raise DemoError(f"--attach needs {error.args[0]} in the environment") from error
    except OSError as error:
        raise DemoError(f"the channel table cannot be read: {error}") from error
