"""What the router is told through its environment, beside the settings that all services share."""

from pathlib import Path

from pydantic import Field, SecretStr

from yizhan_runtime.settings import RuntimeSettings


class RouterSettings(RuntimeSettings):
    """Settings of the router. Variables begin with ``YIZHAN_``, its own with ``YIZHAN_ROUTER_``."""

    internal_token: SecretStr = SecretStr("")
    """What operators and services show (``Authorization: Bearer``). Empty: that lets nobody in."""

    tokens_url: str = ""
    """Ingest's address, to check its tokens with its keys. Empty: no token lets in."""

    router_channels_file: Path = Path("deploy/config/channels.yaml")
    """The channel table: one YAML file, read again when it changes."""

    router_reload_s: float = Field(default=1.0, ge=0.1, le=60)
    """How often the file is looked at."""

    router_batch_records: int = Field(default=500, ge=1, le=5000)
    """Records that are judged and published together, at most."""

    router_patience_s: float = Field(default=20.0, ge=0, le=3600)
    """How long a message waits, in steps of 5 s, while no channel of its country can be reached.

    Then it is planned on the best of them all the same. A released attempt waits while it is valid.
    """
