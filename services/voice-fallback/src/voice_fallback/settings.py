"""What voice-fallback is told through its environment, beside what every service is."""

from pathlib import Path

from pydantic import Field, SecretStr

from yizhan_runtime.settings import RuntimeSettings

_URL = r"^https?://[^\s/?#]+[^\s?#]*$"


class VoiceSettings(RuntimeSettings):
    """Variables begin with ``YIZHAN_``. Secrets of providers: the variables that the file names."""

    voice_providers_file: Path
    """The providers and the rules of ringing, in YAML: see ``providers_file.py``."""

    voice_receipts_url: str = Field(default="http://127.0.0.1:8081", pattern=_URL)
    """Where receipts is asked whether a message is still open."""

    voice_callback_url: str = Field(default="http://127.0.0.1:8082", pattern=_URL)
    """Where providers reach this service: scheme, host and what a proxy puts before /v1."""

    internal_token: SecretStr = SecretStr("")
    """What services show each other."""

    voice_look_ahead: int = Field(default=200, ge=1, le=10_000)
    """Calls open at a time, per partition."""

    voice_keep_days: float = Field(default=10.0, ge=1)
    """How long calls are kept: the longest validity, 72 h, and 7 days."""
