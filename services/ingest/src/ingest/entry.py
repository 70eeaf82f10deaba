"""What every entry of the catalogue is: frozen, and strict about fields that it does not know."""

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """One thing that an account registers. Replaced, never changed in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")
