"""The providers' file, calling hours, the webhook."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import Request
from prometheus_client import CollectorRegistry

from voice_fallback.calling.lines import Line, Lines
from voice_fallback.domain.hours import Window, next_opening, zone
from voice_fallback.domain.story import RingResult
from voice_fallback.metrics import VoiceMetrics
from voice_fallback.providers_file import load
from voice_fallback.webhook import Webhook
from yizhan_contracts.events import CallOutcome
from yizhan_runtime.errors import Misconfigured, Retryable

from .world import World, provider_config

REF = f"{'a' * 32}-1"
FILE = """
max_rings: 3
ring_again_after_s: 5
hours: { enabled: true, window: "08:30-20:00", zones: { FR: Europe/Paris } }
providers:
  - name: vox
    url: http://127.0.0.1:1/vox
    secret_ref: SECRET
    webhook_token_ref: TOKEN
    countries: [CN, FR]
    priority: 10
    ring_timeout_s: 30
    max_concurrent: 4
"""


def test_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "voice.yaml"
    path.write_text(FILE)
    config = load(path)
    assert config.max_rings == 3
    assert config.providers[0].serves("FR")
    assert not config.providers[0].serves("DE")


@pytest.mark.parametrize(
    ("found", "put", "named"),
    [
        ("max_rings: 3", "max_rings: 0", "max_rings"),
        ("08:30-20:00", "8 to 20", "hours.window"),
        ("Europe/Paris", "Paris", "hours.zones.FR"),
        ("secret_ref: SECRET", "secret: inline", "providers.0.secret_ref"),
        ("    priority: 10", "    prioritaet: 10", "providers.0.prioritaet"),
        ("providers:", "lines:", "providers"),
        (FILE, "[", "cannot be read"),
        (FILE, "", "record"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(
    tmp_path: Path, found: str, put: str, named: str
) -> None:
    path = tmp_path / "voice.yaml"
    path.write_text(FILE.replace(found, put))
    with pytest.raises(Misconfigured, match=named):
        load(path)


@pytest.mark.parametrize(
    ("window", "where", "now", "expected"),
    [
        ("08:00-21:00", "Asia/Shanghai", "2026-11-23T02:00", "2026-11-23T02:00"),
        ("08:00-21:00", "Asia/Shanghai", "2026-11-23T13:00", "2026-11-24T00:00"),
        ("08:00-21:00", "Asia/Shanghai", "2026-11-22T23:59", "2026-11-23T00:00"),
        ("08:00-21:00", "America/New_York", "2026-11-23T12:00", "2026-11-23T13:00"),
        ("20:00-02:00", "UTC", "2026-11-23T01:00", "2026-11-23T01:00"),
        ("20:00-02:00", "UTC", "2026-11-23T03:00", "2026-11-23T20:00"),
        ("00:00-00:00", "UTC", "2026-11-23T03:00", "2026-11-23T03:00"),
        # The night in which the clocks go forward: 08:00 comes an hour earlier.
        ("08:00-21:00", "Europe/Paris", "2026-03-28T21:00", "2026-03-29T06:00"),
    ],
)
def test_the_next_opening_is_that_of_the_place(
    window: str, where: str, now: str, expected: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    opening = next_opening(Window.parse(window), ZoneInfo(where), moment)
    assert opening == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_zone_that_is_none_is_replaced() -> None:
    assert zone("Nowhere/At all", "Asia/Shanghai") == ZoneInfo("Asia/Shanghai")
    assert zone("", "UTC") == ZoneInfo("UTC")


def test_the_preferred_line_is_taken_unless_it_rests() -> None:
    world = World(names=("vox", "bell"))
    vox, bell = (
        Line(provider_config(name=name, priority=priority), world.providers[name])
        for name, priority in (("vox", 1), ("bell", 2))
    )
    lines = Lines([bell, vox])
    assert lines.best("CN", 0.0) is vox
    vox.rest(0.0)
    assert lines.best("CN", 0.0) is bell
    bell.rest(1.0)
    assert lines.best("CN", 2.0) is None
    assert lines.rest_s("CN", 2.0) == pytest.approx(3.0)
    assert lines.best("CN", 5.0) is vox


class Edge:
    """The webhook without its server."""

    def __init__(self) -> None:
        self.reports: list[RingResult] = []
        self.error: Exception | None = None
        self.webhook = Webhook(
            {"vox": "token"},
            self._report,
            VoiceMetrics(CollectorRegistry()),
            lambda _error: None,
        )

    async def _report(self, result: RingResult) -> None:
        if self.error is not None:
            raise self.error
        self.reports.append(result)

    async def post(self, body: Any, *, provider: str = "vox", token: str = "token") -> int:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        request = Request({"type": "http", "headers": [], "method": "POST"}, receive)
        return (await self.webhook.on_report(provider, token, request)).status_code


def report(**values: Any) -> dict[str, Any]:
    at = "2026-11-23T10:00:00Z"
    return {"id": "c1", "ref": REF, "outcome": "answered", "at": at, "duration_s": 12, **values}


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("answered", CallOutcome.ANSWERED),
        ("no-answer", CallOutcome.NO_ANSWER),
        ("BUSY", CallOutcome.BUSY),
        ("failed", CallOutcome.FAILED),
        ("new to us", CallOutcome.UNKNOWN),
    ],
)
async def test_a_report_is_taken(said: str, outcome: CallOutcome) -> None:
    edge = Edge()
    assert await edge.post(report(outcome=said, code="200002")) == 200
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert edge.reports == [RingResult(REF, "vox", outcome, "200002", "c1", at)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{half", 422),
        ([], 422),
        (report(ref="not ours"), 422),
        (report(ref=REF + "0"), 422),
        (report(outcome=None), 422),
        (report(at="yesterday"), 422),
        (b" " * 100_000, 413),
    ],
)
async def test_what_is_no_report_is_refused(body: Any, status: int) -> None:
    edge = Edge()
    assert await edge.post(body) == status
    assert not edge.reports


@pytest.mark.parametrize(("provider", "token"), [("vox", "wrong"), ("vox", ""), ("bell", "token")])
async def test_nobody_comes_in_without_the_providers_token(provider: str, token: str) -> None:
    edge = Edge()
    assert await edge.post(report(), provider=provider, token=token) == 404


async def test_a_provider_is_told_to_come_again_while_the_store_is_away() -> None:
    edge = Edge()
    edge.error = Retryable("away")
    assert await edge.post(report()) == 503
