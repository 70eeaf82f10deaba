"""The HTTP edge of a service: FastAPI on uvicorn, inside the service's own loop."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.settings import RuntimeSettings

Report = dict[str, object]

STOP_TIMEOUT_S = 5


class _Server(uvicorn.Server):
    """Leaves the signals to the service: it drains before the HTTP edge goes."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(settings: RuntimeSettings) -> socket.socket:
    """Take the port. Raises Misconfigured: uvicorn, left to it, would exit the process with 1."""
    try:
        return socket.create_server((settings.http_host, settings.http_port), backlog=4096)
    except OSError as error:
        raise Misconfigured(
            f"YIZHAN_HTTP_HOST and _PORT {settings.http_host}:{settings.http_port} cannot be "
            f"listened on: {error.strerror or error}"
        ) from error


def make_server(app: FastAPI, settings: RuntimeSettings) -> uvicorn.Server:
    """Make a server that logs no URLs: those of old clients hold numbers and secrets.

    With a certificate it speaks TLS 1.2 or newer. Raises Misconfigured for files that are no such.
    """
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        access_log=False,
        proxy_headers=False,  # nobody's address is looked at
        server_header=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        ssl_certfile=settings.http_cert_file,
        ssl_keyfile=settings.http_key_file,
    )
    try:
        config.load()
    except OSError as error:  # ssl's own errors are among them
        raise Misconfigured(
            "YIZHAN_HTTP_CERT_FILE and YIZHAN_HTTP_KEY_FILE cannot be used "
            f"({type(error).__name__}): give a PEM chain and its key, readable for this process"
        ) from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return _Server(config)


def add_health(
    app: FastAPI,
    registry: CollectorRegistry,
    alive: Callable[[], tuple[bool, Report]],
    ready: Callable[[], tuple[bool, Report]],
) -> None:
    """Add /live, /ready and /metrics."""

    @app.get("/live", include_in_schema=False)
    async def live() -> JSONResponse:
        good, report = alive()
        return JSONResponse(report, 200 if good else 503)

    @app.get("/ready", include_in_schema=False)
    async def is_ready() -> JSONResponse:
        good, report = ready()
        return JSONResponse(report, 200 if good else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
