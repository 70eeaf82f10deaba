"""Asking an HTTP edge without a socket."""

import json
from typing import Any

from fastapi import FastAPI


async def ask_app(
    app: FastAPI, method: str, path: str, body: object = None, token: str | None = None
) -> tuple[int, Any]:
    """Ask; give status and document."""
    sent: list[dict[str, Any]] = []
    path, _, query = path.partition("?")
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [*headers, (b"content-type", b"application/json")],
    }

    async def receive() -> dict[str, Any]:
        given = b"" if body is None else json.dumps(body).encode()
        return {"type": "http.request", "body": given, "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await app(scope, receive, send)
    answer = b"".join(part.get("body", b"") for part in sent[1:])
    return sent[0]["status"], json.loads(answer) if answer else None
