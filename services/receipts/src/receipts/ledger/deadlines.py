"""When a receipt is overdue: by country, counted from the hand-over, unless the account says."""

from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_KOSOVO = "XK"
"""No code of ISO 3166 is assigned to it; what numbers begin with says XK."""


@cache
def _countries() -> frozenset[str]:
    """Read the assigned codes of ISO 3166 where the time zones' own package lists them."""
    text = resources.files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text("utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return frozenset(line.partition("\t")[0] for line in lines) | {_KOSOVO}


def _is_country(code: str) -> str:
    if code not in _countries() and not (len(code) == 3 and code.isdecimal()):  # noqa: PLR2004
        raise ValueError(
            "no country: two capitals as in ISO 3166 (GB, not UK), "
            "or three digits for international networks such as 883"
        )
    return code


Seconds = Annotated[float, Field(gt=0, le=259_200)]
"""As long as the contracts let an account's own be: three days."""
CountryCode = Annotated[str, AfterValidator(_is_country)]


class Deadlines(BaseModel):
    """How long a receipt may take, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_s: Seconds = 14_400.0
    countries: dict[CountryCode, Seconds] = Field(default_factory=dict)

    def timeout_s(self, own_s: float | None, country: str) -> float:
        """Give the account's own word, or the country's."""
        return own_s or self.countries.get(country, self.default_s)
