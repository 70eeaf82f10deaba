"""What the OpenAPI document says beyond the routes: bodies and headers are read by hand."""

from typing import Any

from fastapi import FastAPI

from ingest.requests.problems import MEDIA_TYPE
from ingest.requests.wire import Problem, SendRequest

_REF = "#/components/schemas/{model}"
SECURED: dict[str, Any] = {"security": [{"signature": []}, {"key": []}]}
"""What a route that asks for a caller declares."""

SEND: dict[str, Any] = {
    **SECURED,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="SendRequest")}}},
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Recommended. The same key and body give the same message, once.",
            "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
        }
    ],
}
SHOW = SECURED

_PROBLEMS = {
    400: "The body is no JSON object, or the Idempotency-Key is none.",
    401: "The key is unknown, or its secret is wrong.",
    403: "The key or the account may not do this.",
    404: "There is no such thing, or it is not this account's.",
    409: "It is under way, or was done, or was changed meanwhile: the code says which.",
    413: "The body is too large.",
    415: "The body is announced as something else than JSON.",
    422: "A field, variable, template or number is not accepted; or the key was used before.",
    500: "A mistake of ours.",
    503: "Kafka or MongoDB are away, or too much waits: repeat after Retry-After.",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare error answers for a route."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "description": _PROBLEMS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    return declared | ({"headers": _RETRY_AFTER} if status in {409, 503} else {})


def complete(app: FastAPI) -> None:
    """Add the schemas that no route declares, and how a caller proves who they are."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in (SendRequest, Problem):
            schema = model.model_json_schema(ref_template=_REF)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        # FastAPI declares it for every parameter; a text in a path cannot be wrong in its way.
        document["paths"]["/v1/messages/{message_id}"]["get"]["responses"].pop("422", None)
        components["securitySchemes"] = {
            "signature": {
                "type": "http",
                "scheme": "YIZHAN-HMAC-SHA256",
                "description": "key=<key>, timestamp=<unix seconds>, signature=<hex>; "
                "see docs/signing.md",
            },
            "key": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "<key>.<secret>",
            },
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign]
