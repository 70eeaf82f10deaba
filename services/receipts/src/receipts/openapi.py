"""What FastAPI cannot know of the API: how a caller proves who they are, and what refusals say."""

from typing import Any, Final

from fastapi import FastAPI

_REFUSALS: Final = {
    "401": "No token of ingest's, nor the internal one.",
    "403": "The token has not the scope, or is of another account.",
    "422": "A parameter cannot be meant: `detail` says which, and what to do.",
    "503": "The stores, or ingest's keys, are away: ask again.",
}
_REFUSAL: Final = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string"}},
}
_TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of ingest's (`POST /v1/tokens`, scope `read`; `read:personal` for "
    "whole numbers and texts), or the internal token of operators.",
}


def complete(app: FastAPI) -> None:
    """Have the document say so."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Refusal"] = _REFUSAL
    components["securitySchemes"] = {"token": _TOKEN}
    for path in document["paths"].values():
        for operation in path.values():
            _secure(operation)


def _secure(operation: dict[str, Any]) -> None:
    """Say of the header that it is the token, and of 422 that it is in words."""
    parameters = operation.get("parameters", [])
    kept = [one for one in parameters if one["name"] != "authorization"]
    if len(kept) < len(parameters):
        operation["parameters"] = kept
        operation["security"] = [{"token": []}]
    for status, says in _REFUSALS.items():
        operation["responses"][status] = {
            "description": says,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
        }
