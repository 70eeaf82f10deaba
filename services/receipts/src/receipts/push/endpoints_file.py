"""What accounts begin with, and what the guard lets through: a YAML file, read at the start.

allow_private: ["127.0.0.1/32"]   # may be pushed to though they are private, on any port
allow_ports: [8443]               # elsewhere, beside 80 and 443
endpoints:
  acme: {url: "https://example.com/receipts", concurrency: 4, timeout_s: 10}
"""

import hashlib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

from receipts.errors import ForbiddenAddress
from receipts.push.endpoints import About, Endpoint, Wishes
from receipts.push.guard import Guard
from yizhan_runtime import Misconfigured


class EndpointsFile(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private: tuple[IPv4Network | IPv6Network, ...] = ()
    allow_ports: tuple[int, ...] = ()
    endpoints: dict[str, Wishes] = Field(default_factory=dict)

    def guard(self) -> Guard:
        return Guard(self.allow_private, self.allow_ports)

    def seeds(self) -> list[Endpoint]:
        """Give the endpoints that accounts begin with."""
        return [
            Endpoint(account_id, wishes, seed=_digest(wishes))
            for account_id, wishes in self.endpoints.items()
        ]


def load_endpoints(path: Path | None) -> EndpointsFile:
    """Read and check the file; None: nobody begins with an endpoint. Raises Misconfigured."""
    if path is None:
        return EndpointsFile()
    try:
        file = EndpointsFile.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{path} cannot be read: {type(error).__name__}") from error
    except ValidationError as error:
        raise Misconfigured(f"{path}: {_explain(error)}") from error
    _check_urls(path, file)
    return file


def _check_urls(path: Path, file: EndpointsFile) -> None:
    guard = file.guard()
    for account_id, wishes in file.endpoints.items():
        try:
            for about in About:
                if url := wishes.url_for(about):
                    guard.check_url(URL(str(url)))
        except ForbiddenAddress as error:
            raise Misconfigured(f"{path}: endpoints.{account_id}: {error}") from error


def _digest(wishes: Wishes) -> str:
    """Name an entry: it is applied once, and again when the file says something else."""
    return hashlib.sha256(wishes.model_dump_json().encode()).hexdigest()


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:5])
