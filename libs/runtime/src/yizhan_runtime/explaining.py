"""Saying what went wrong without quoting data: other people's exceptions print whole documents."""

from pydantic import ValidationError

from yizhan_runtime.errors import YizhanError
from yizhan_runtime.records import describe

_LONGEST = 300

_TELLING = (
    YizhanError,
    ArithmeticError,
    AttributeError,
    ImportError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
)
"""Errors whose words are about the program or the network. A KeyError quotes the key, a ValueError
the value, pymongo's the document that was refused."""


def explain(error: BaseException) -> str:
    """Name an error, with its words where these hold no data."""
    name = type(error).__name__
    if isinstance(error, ValidationError):
        return f"{name}: {describe(error)}"
    words = str(error)[:_LONGEST] if isinstance(error, _TELLING) else ""
    return f"{name}: {words}" if words else name
