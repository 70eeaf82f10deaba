"""The services' HTTP APIs: where they are, as whom they are asked, and their refusals in words."""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yizhan_cli import profiles
from yizhan_cli.errors import CliError, NotFound, Refused, Unavailable, UsageError
from yizhan_cli.settings import running_stack

KEY, SECRET = "YIZHAN_KEY", "YIZHAN_SECRET"
TOKEN = "YIZHAN_INTERNAL_TOKEN"  # noqa: S105 - only its name
_SHORT = {"carrier-adapter": "adapter", "voice-fallback": "voice"}
"""What profiles and options call services whose names have a hyphen."""
_UNAUTHORISED = (401, 403)
_NOT_FOUND, _ERROR, _BROKEN = 404, 400, 500


@dataclass(frozen=True)
class Edge:
    """One service's API and the credentials shown to it."""

    url: str
    authorization: str = field(default="", repr=False)
    ca_file: str = ""
    account: str = ""
    """The account that an operator acts for."""


def ingest_edge(url: str | None, *, operator: bool = False, account: str = "") -> Edge:
    """Find ingest: option or environment, profile, running stack. Raises UsageError.

    An operator shows a token where one is known, else a key, which then may do what it may.
    """
    profile = profiles.current()
    stack = running_stack() if profile is None else {}
    if profile is not None:
        url = url or profile.get("ingest_url")
    else:
        url = url or service_of(stack, "ingest").get("url")
    if not url:
        raise UsageError("no stack runs here: give --ingest-url, YIZHAN_INGEST_URL or --profile")
    shown = (_token(profile, stack) if operator else "") or _key(profile, stack)
    if not shown:
        raise UsageError(f"as whom? Set {KEY} and {SECRET}, or use a profile with key and secret")
    ca_file = profile.get("ca_file") if profile is not None else ""
    return Edge(url.rstrip("/"), f"Bearer {shown}", ca_file, account)


def _token(profile: profiles.Profile | None, stack: Mapping[str, Any]) -> str:
    if given := os.environ.get(TOKEN):
        return given
    if profile is not None:
        return profile.get("token")
    return str(service_of(stack, "ingest").get("env", {}).get(TOKEN, ""))


def _key(profile: profiles.Profile | None, stack: Mapping[str, Any]) -> str:
    known: Mapping[str, Any] = stack.get("account", {})
    if key := os.environ.get(KEY):
        secret = os.environ.get(SECRET, "")
    elif profile is not None:
        key, secret = profile.get("key"), profile.get("secret")
    else:
        key, secret = known.get("key", ""), known.get("secret", "")
    return f"{key}.{secret}" if key and secret else ""


def service_of(stack: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Find a service of the running stack; empty when it does not run."""
    services = stack.get("services", {}).values()
    return next((one for one in services if one.get("service") == name), {})


def service_edge(service: str, url: str | None, token: str | None) -> Edge:
    """Find another service's API: option or environment, profile, running stack.

    Raises UsageError.
    """
    profile, ca_file = profiles.current(), ""
    if profile is not None:
        url = url or profile.get(f"{_SHORT.get(service, service)}_url")
        token = profile.get("token") if token is None else token
        ca_file = profile.get("ca_file")
    else:
        stack = service_of(running_stack(), service)
        url = url or stack.get("url")
        token = stack.get("env", {}).get(TOKEN, "") if token is None else token
    if not url:
        short = _SHORT.get(service, service)
        raise UsageError(f"no stack runs here: give --{short}-url or YIZHAN_{short.upper()}_URL")
    return Edge(url.rstrip("/"), f"Bearer {token}" if token else "", ca_file)


def call(
    edge: Edge,
    method: str,
    path: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Ask once; give the JSON of the answer, None for an empty one.

    Raises NotFound, Refused (with the service's own words) or Unavailable.
    """
    return asyncio.run(_call(edge, method, path, body, headers or {}, timeout_s))


async def _call(
    edge: Edge, method: str, path: str, body: object, headers: Mapping[str, str], timeout_s: float
) -> Any:  # noqa: ANN401 - as above
    import aiohttp

    url = edge.url + path
    sent = {"Authorization": edge.authorization} if edge.authorization else {}
    if edge.account:
        sent["Yizhan-Account"] = edge.account
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    context = ssl.create_default_context(cafile=edge.ca_file) if edge.ca_file else True
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method, url, json=body, headers={**sent, **headers}, ssl=context
            ) as answer,
        ):
            text = await answer.text()
            found = await answer.json(content_type=None) if text else None
            if answer.status >= _ERROR:
                raise _refusal(answer.status, url, found)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        raise Unavailable(f"{url} does not answer as expected ({type(error).__name__})") from error
    return found


def download(edge: Edge, path: str, target: Path, *, idle_s: float = 60.0) -> int:
    """Write what is answered to a file, whole or not at all; give its bytes.

    Raises NotFound, Refused or Unavailable.
    """
    return asyncio.run(_download(edge, path, target, idle_s))


async def _download(edge: Edge, path: str, target: Path, idle_s: float) -> int:
    import aiohttp

    url, part = edge.url + path, target.with_name(f"{target.name}.part")
    sent = {"Authorization": edge.authorization} if edge.authorization else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=idle_s, sock_read=idle_s)
    context = ssl.create_default_context(cafile=edge.ca_file) if edge.ca_file else True
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=sent) as session,
            session.get(url, ssl=context) as answer,
        ):
            if answer.status >= _ERROR:
                raise _refusal(answer.status, url, await answer.json(content_type=None))
            with part.open("wb") as file:
                async for piece in answer.content.iter_chunked(1 << 20):
                    await asyncio.to_thread(file.write, piece)
                size = file.tell()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise Unavailable(f"{url} broke off ({type(error).__name__})") from error
    part.replace(target)
    return size


def _refusal(status: int, url: str, problem: object) -> CliError:
    told = problem if isinstance(problem, dict) else {}
    sentence = _sentence(told) or f"{url} answers {status}"
    if status == _NOT_FOUND:
        return NotFound(sentence)
    if status in _UNAUTHORISED:
        return Unavailable(f"{sentence}. A key or token that may do this is wanted")
    if status >= _BROKEN:
        return Unavailable(sentence)
    return Refused(sentence)


def _sentence(problem: Mapping[str, Any]) -> str:
    """Tell a problem (RFC 9457): its code, where, what is wrong and what to do. Or FastAPI's."""
    items = problem.get("errors") or ([problem] if problem.get("code") else [])
    if items:
        return "\n  ".join(_item(item) for item in items if isinstance(item, dict))
    detail = problem.get("detail") or ""
    if isinstance(detail, str):
        return detail
    return "\n  ".join(
        f"{'.'.join(map(str, one.get('loc', ())[1:]))}: {one.get('msg', '')}" for one in detail
    )


def _item(item: Mapping[str, Any]) -> str:
    where = f" ({item['field']})" if item.get("field") else ""
    said = dict.fromkeys(str(item.get(name) or "") for name in ("detail", "what_to_do"))
    return f"{item.get('code', '?')}{where}: {' '.join(filter(None, said))}"
