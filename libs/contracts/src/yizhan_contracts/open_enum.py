"""Enumerations that may grow while consumers run that do not know the new values yet."""

from enum import StrEnum
from typing import Any, Self

from pydantic import GetJsonSchemaHandler


class OpenEnum(StrEnum):
    """Reads a value that it does not know as its member UNKNOWN, so that a value may be added.

    Every other enum is closed: consumers that run now refuse a new value of it, so they have to be
    deployed first. The mark in the JSON schema lets the compatibility check tell the two apart.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls["UNKNOWN"] if isinstance(value, str) else None

    @classmethod
    def __get_pydantic_json_schema__(
        cls,
        core_schema: Any,  # noqa: ANN401
        handler: GetJsonSchemaHandler,
    ) -> dict[str, Any]:
        return {**handler(core_schema), "x-open-enum": True}
