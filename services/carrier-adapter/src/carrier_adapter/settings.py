"""What a carrier-adapter is told through its environment, beside what every service is."""

from pydantic import Field

from yizhan_runtime.settings import RuntimeSettings

ALL = "all"


class AdapterSettings(RuntimeSettings):
    """Variables begin with ``YIZHAN_``. Secrets of carriers: the variables that channels name."""

    adapter_channels: str = Field(default=ALL, pattern=r"^[a-z0-9-]+( *, *[a-z0-9-]+)*$")
    """The channels that this process serves: ``all``, or a list. The channel ``none`` comes with
    each."""

    adapter_callback_url: str = Field(
        default="http://127.0.0.1:8080", pattern=r"^https?://[^\s/?#]+[^\s?#]*$"
    )
    """Where carriers reach this service: scheme, host and what a proxy puts before /v1."""

    adapter_linger_ms: float = Field(default=50.0, ge=0, le=1000)
    """A batch that is not full leaves so long after the one before it; the first leaves at once."""

    adapter_down_after_s: float = Field(default=3.0, gt=0, le=60)
    """A channel that takes nothing for so long hands its queue back."""

    adapter_look_ahead: int = Field(default=500, ge=1, le=10_000)
    """Records open at a time, per partition."""

    adapter_max_span: int = Field(default=5_000, ge=1, le=100_000)
    """How far a partition is read beyond its slowest open record: bounds what a crash replays."""

    adapter_remembered_ids: int = Field(default=100_000, ge=0, le=10_000_000)
    """Carriers' ids kept in memory (some 300 bytes each), to name the attempt on a receipt."""

    adapter_keep_days: float = Field(default=10.0, ge=1)
    """How long claims and outcomes are kept: the longest validity, 72 h, and 7 days."""

    def channels(self) -> frozenset[str] | None:
        """Give the channels that are named, None for all."""
        if self.adapter_channels == ALL:
            return None
        return frozenset(name.strip() for name in self.adapter_channels.split(","))
