"""The GET form of a single send, for old systems: a query becomes a request.

Its URL holds a number, a text and perhaps a secret: nothing here may log it, quote it or keep it.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ingest.codes import Code, Refusal
from ingest.errors import RequestRefused

_VARIABLE = re.compile(r"variables\[([^\]]*)\]")
_OWN = ("key", "secret", "idempotency_key")
MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Query:
    """What a query says: the request's fields, and what goes with them."""

    fields: dict[str, Any]
    key: str
    secret: str
    idempotency_key: str | None


def read_query(query: bytes) -> Query:
    """Read a query string, UTF-8, percent-encoded. Raises RequestRefused (400, 422)."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise RequestRefused.of(400, Code.QUERY_MALFORMED) from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _put(fields, name, value)
    own = {name: fields.pop(name, None) for name in _OWN}
    return Query(fields, own["key"] or "", own["secret"] or "", own["idempotency_key"])


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    match = _VARIABLE.fullmatch(name)
    if name == "variables":
        raise RequestRefused(422, [Refusal(Code.FIELD_INVALID, name, "Write variables[name].")])
    target = fields.setdefault("variables", {}) if match else fields
    name = match[1] if match else name
    if name in target:
        raise RequestRefused(422, [Refusal(Code.FIELD_INVALID, name[:100], "It is there twice.")])
    target[name] = value
