"""What the OpenAPI document says beyond the routes: bodies and headers are read by hand."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from ingest.requests.wire import (
    MAX_RECIPIENTS,
    Accepted,
    Answered,
    Problem,
    Recipient,
    SendMany,
    SendRequest,
)

JSON, XML = "application/json", "application/xml"
PROBLEM_JSON, PROBLEM_XML = "application/problem+json", "application/problem+xml"

_REF = "#/components/schemas/{model}"
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "What lets in."}}
_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where it is shown."}}

SECURED: dict[str, Any] = {"security": [{"signature": []}, {"key": []}]}
"""What a route that asks for a caller declares."""

_PROBLEMS = {
    400: "The body or the query cannot be read, or the Idempotency-Key is none.",
    401: "The key is unknown, its secret or the signature is wrong, or the time is over.",
    402: "The package is empty or the balance is not above zero: the code says which.",
    403: "The key or the account may not do this.",
    404: "There is no such thing, or it is not this account's.",
    409: "It is under way, or was done, or was changed meanwhile: the code says which.",
    413: "The body is too large.",
    415: "The body is announced as something else than JSON or XML.",
    422: "A field, variable, template or number is not accepted; or the key was used before.",
    429: "A limit of the account is reached: repeat after Retry-After.",
    500: "A mistake of ours.",
    503: "Kafka or MongoDB are away, or too much waits: repeat after Retry-After.",
}


def problems(*statuses: int, xml: bool = False) -> dict[int | str, dict[str, Any]]:
    """Declare error answers for a route."""
    return {status: _problem(status, xml=xml) for status in statuses}


def _problem(status: int, *, xml: bool) -> dict[str, Any]:
    kinds = [PROBLEM_JSON, PROBLEM_XML] if xml else [PROBLEM_JSON]
    declared = {"description": _PROBLEMS[status], "content": _content(Problem, *kinds)}
    headers = _CHALLENGE if status == 401 else _RETRY_AFTER if status in {409, 429, 503} else {}  # noqa: PLR2004 - of HTTP
    return declared | ({"headers": headers} if headers else {})


def _content(model: type[BaseModel], *kinds: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _REF.format(model=model.__name__)}} for kind in kinds}


@dataclass(frozen=True, slots=True)
class Said:
    """What the document says of a route whose body and answer are written by hand."""

    summary: str
    status: int
    answer: type[BaseModel]
    refused: tuple[int, ...]
    body: type[BaseModel] | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    headers: dict[str, Any] = field(default_factory=dict)

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        good: dict[str, Any] = {
            "description": "Done.",
            "content": _content(self.answer, JSON, XML),
        }
        good |= {"headers": self.headers} if self.headers else {}
        return {self.status: good, **problems(*self.refused, xml=True)}

    @property
    def extra(self) -> dict[str, Any]:
        """Give what FastAPI cannot know."""
        said: dict[str, Any] = dict(SECURED)
        if self.parameters:
            said["parameters"] = list(self.parameters)
        if self.body is not None:
            said["requestBody"] = {"required": True, "content": _content(self.body, JSON, XML)}
        return said


_KEY_SCHEMA = {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Recommended. The same key and body give the same answer, and send once.",
    "schema": _KEY_SCHEMA,
}
_SENDING = (400, 401, 402, 403, 409, 413, 415, 422, 429, 500, 503)

SEND = Said(
    "Send one message", 202, Accepted, _SENDING, SendRequest, (_IDEMPOTENCY_KEY,), _LOCATION
)
SEND_MANY = Said("Send many messages", 202, Answered, _SENDING, SendMany, (_IDEMPOTENCY_KEY,))
SHOW = Said("Show a message that was accepted", 200, Accepted, (401, 403, 404, 415, 500, 503))


def _query(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - OpenAPI's
    return {"name": name, "in": "query", "required": False, "schema": schema, **more}


def _query_parameters() -> tuple[dict[str, Any], ...]:
    fields = SendRequest.model_json_schema(ref_template=_REF)
    plain = [
        _query(name, schema, required=name in fields["required"])
        for name, schema in fields["properties"].items()
        if name != "variables"
    ]
    text = {"type": "string", "maxLength": 255}
    return (
        *plain,
        _query("variables", fields["properties"]["variables"], style="deepObject", explode=True),
        _query("idempotency_key", _KEY_SCHEMA),
        _query("key", text, description="With secret, in the place of Authorization."),
        _query("secret", text),
    )


SEND_BY_QUERY = Said(
    "Send one message, by GET",
    202,
    Accepted,
    (400, 401, 402, 403, 409, 415, 422, 429, 500, 503),
    parameters=_query_parameters(),
    headers=_LOCATION,
)


def complete(app: FastAPI) -> None:
    """Add the schemas that no route declares, and how a caller proves who they are."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (SendRequest, SendMany, Recipient, Accepted, Answered, Problem):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    schemas["SendMany"]["properties"]["recipients"] = _RECIPIENTS
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _without_validation_error(operation["responses"])
    components["securitySchemes"] = _SCHEMES


def _without_validation_error(responses: dict[str, Any]) -> None:
    """Drop the answer that FastAPI declares for every parameter: ours are problems."""
    if JSON in responses.get("422", {}).get("content", {}):
        del responses["422"]


_RECIPIENTS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_RECIPIENTS,
    "items": {
        "anyOf": [
            {"$ref": _REF.format(model="Recipient")},
            {"description": "Anything else is refused in its place; the others are not concerned."},
        ]
    },
    "xml": {"wrapped": True},
}
_SCHEMES = {
    "signature": {
        "type": "http",
        "scheme": "YIZHAN-HMAC-SHA256",
        "description": "key=<key>, timestamp=<unix seconds>, signature=<hex>: docs/signing.md",
    },
    "key": {"type": "http", "scheme": "bearer", "bearerFormat": "<key>.<secret>"},
}
