"""Where each account wants its receipts: a YAML file, checked whole before anything is pushed.

    allow_private: ["127.0.0.1/32"]   # may be pushed to though they are private, on any port
    allow_ports: [8443]               # elsewhere, beside 80 and 443
endpoints:
  acme: {url: "https://example.com/receipts", concurrency: 4, timeout_s: 10}
"""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError
from yarl import URL

from receipts.errors import ForbiddenAddress
from receipts.push.guard import Guard
from yizhan_runtime import Misconfigured


class Endpoint(BaseModel):
    """One customer's receiver."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl
    concurrency: int = Field(default=4, ge=1, le=64)
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class Endpoints(BaseModel):
    """All receivers, and what the guard lets through for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private: tuple[IPv4Network | IPv6Network, ...] = ()
    allow_ports: tuple[int, ...] = ()
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)

    def guard(self) -> Guard:
        return Guard(self.allow_private, self.allow_ports)


def load_endpoints(path: Path | None) -> Endpoints:
    """Read and check the file; without one nobody is pushed to. Raises Misconfigured."""
    if path is None:
        return Endpoints()
    try:
        endpoints = Endpoints.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{path} cannot be read: {type(error).__name__}") from error
    except ValidationError as error:
        raise Misconfigured(f"{path}: {_explain(error)}") from error
    _check_urls(path, endpoints)
    return endpoints


def _check_urls(path: Path, endpoints: Endpoints) -> None:
    guard = endpoints.guard()
    for account_id, endpoint in endpoints.endpoints.items():
        try:
            guard.check_url(URL(str(endpoint.url)))
        except ForbiddenAddress as error:
            raise Misconfigured(f"{path}: endpoints.{account_id}: {error}") from error


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:5])
