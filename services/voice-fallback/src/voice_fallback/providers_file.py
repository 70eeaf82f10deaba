"""The file of providers and of the rules of ringing: YAML, checked whole, secrets by reference."""

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from voice_fallback.domain.hours import Window
from voice_fallback.domain.story import MOST_RINGS
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.records import describe

REST_OF_THE_WORLD = "*"


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone, such as Europe/Paris") from None
    return name


def _is_window(text: str) -> str:
    Window.parse(text)
    return text


ZoneName = Annotated[str, AfterValidator(_is_zone)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProviderConfig(_Part):
    """One voice provider."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    url: Annotated[str, Field(pattern=r"^https?://")]
    secret_ref: Annotated[str, Field(min_length=1)]
    """Name of the environment variable that holds the provider's secret."""
    webhook_token_ref: Annotated[str, Field(min_length=1)]
    """Name of the environment variable with the token in the path of the provider's webhook."""
    countries: Annotated[tuple[str, ...], Field(min_length=1)] = (REST_OF_THE_WORLD,)
    priority: int = 100
    """Smaller is preferred."""
    ring_timeout_s: Seconds = 40.0
    """How long the provider rings before nobody has answered."""
    report_timeout_s: Seconds = 60.0
    """How long after that its report may take: the call itself, and the webhook."""
    order_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 10

    @property
    def silence_s(self) -> float:
        """Past this, counted from the order, nobody can know what became of a ring."""
        return self.ring_timeout_s + self.report_timeout_s

    def serves(self, country: str) -> bool:
        return country in self.countries or REST_OF_THE_WORLD in self.countries


class HoursConfig(_Part):
    """When people may be rung, by the time where they are."""

    enabled: bool = False
    window: Annotated[str, AfterValidator(_is_window)] = "08:00-21:00"
    zones: dict[str, ZoneName] = Field(default_factory=dict)
    """By country; a country that is not listed has the message's own zone."""
    otherwise: ZoneName = "Asia/Shanghai"
    """Where the message's own zone is none."""


class VoiceConfig(_Part):
    """The whole file."""

    max_rings: Annotated[int, Field(ge=1, le=MOST_RINGS)] = 2
    ring_again_after_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    hours: HoursConfig = HoursConfig()
    providers: Annotated[tuple[ProviderConfig, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "VoiceConfig":
        names = [provider.name for provider in self.providers]
        if len(set(names)) < len(names):
            raise ValueError("two providers have the same name")
        return self


def load(path: Path) -> VoiceConfig:
    """Read the file. Raises Misconfigured, naming every field that is wrong."""
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"YIZHAN_VOICE_PROVIDERS_FILE cannot be read: {error}") from error
    try:
        return VoiceConfig.model_validate(found)
    except ValidationError as error:
        raise Misconfigured(f"{path.name}: {describe(error)}") from error
