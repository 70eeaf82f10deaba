"""What holds the service together: composition, records to use case, retention, README."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from services.ingest.tests.unit.fakes import (
    FakeClock,
    FakeContent,
    FakeInputs,
    FakeMarks,
    FakePublisher,
    FakeStops,
    rich_purse,
)
from services.ingest.tests.unit.making import ACCOUNTS, catalogue, event, random_bits, raws

from ingest.app import ALL, Role, build
from ingest.codes import WHAT_TO_DO, Code
from ingest.events.parsing import read
from ingest.events.service import TakeShipmentEvents
from ingest.handlers import ShipmentHandler
from ingest.metrics import IngestMetrics
from ingest.requests.collector import Collector
from ingest.retention import drop_old
from ingest.settings import IngestSettings
from yizhan_runtime.aside import Aside, SetAside
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.records import Record

HERE = Path(__file__).parents[2]


class KeptAside(SetAside):
    def __init__(self) -> None:
        self.put_aside: list[Aside] = []

    async def put(self, asides: Iterable[Aside]) -> None:
        self.put_aside.extend(asides)


def parts() -> tuple[ShipmentHandler, FakePublisher, KeptAside, CollectorRegistry]:
    publisher, aside, registry = FakePublisher(), KeptAside(), CollectorRegistry()
    inputs, clock = FakeInputs(), FakeClock()
    use_case = TakeShipmentEvents(
        catalogue(),
        inputs,
        FakeMarks(),
        publisher,
        FakeContent(),
        purse=rich_purse(inputs, clock),
        stops=FakeStops(),
        clock=clock,
        random_bits=random_bits(),
        metrics=IngestMetrics(registry),
    )
    return ShipmentHandler(use_case, aside), publisher, aside, registry


def records(events: Sequence[dict[str, Any] | bytes | None]) -> list[Record[Any]]:
    return [Record(raw, read(raw)) for raw in raws(events)]


async def test_poison_is_answered_and_kept_with_its_bytes() -> None:
    handler, publisher, aside, _ = parts()
    assert await handler.on_shipment_updated(records([b"garbage", event(), None])) == ()
    assert [answer.code for answer in publisher.answers()] == ["malformed", "", "malformed"]
    assert [(kept.raw.value, kept.reason, kept.delay) for kept in aside.put_aside] == [
        (b"garbage", "not-json", None),
        (None, "tombstone", None),
    ]


async def test_the_consumer_never_sees_poison_before_it_is_answered() -> None:
    handler, *_ = parts()
    route = handler.route()
    assert route.foreign
    for raw in raws([b"", None, b"{}"]):
        route.parse(raw)


async def test_events_recipients_and_messages_are_counted() -> None:
    handler, _, _, registry = parts()
    await handler.on_shipment_updated(records([event(), event(), event("12"), b""]))
    assert value(registry, "events", mode="native", answer="accepted", code="") == 2
    assert value(registry, "events", mode="native", answer="rejected", code="malformed") == 1
    code = Code.NUMBER_COUNTRY_CODE_MISSING
    assert value(registry, "recipients", answer="rejected", code=code) == 1
    # The second of them is in the same batch: published once, and not as a repeat.
    assert value(registry, "messages", origin="shipment-event", lane="urgent", repeat="no") == 1


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"yizhan_ingest_{name}_total", labels)


async def test_old_inputs_are_dropped_and_young_ones_stay() -> None:
    inputs, clock = FakeInputs(), FakeClock()
    use_case = TakeShipmentEvents(
        catalogue(),
        inputs,
        FakeMarks(),
        FakePublisher(),
        FakeContent(),
        purse=rich_purse(inputs, clock),
        stops=FakeStops(),
        clock=clock,
        random_bits=random_bits(),
        metrics=IngestMetrics(CollectorRegistry()),
    )
    handler = ShipmentHandler(use_case, KeptAside())
    await handler.on_shipment_updated(records([event(event_id="old")]))
    clock.turn(3600)
    await handler.on_shipment_updated(records([event(event_id="young")]))
    assert await drop_old(inputs, clock, timedelta(hours=2)) == 0
    assert await drop_old(inputs, clock, timedelta(minutes=30)) == 1
    (left,) = inputs.stored.values()
    assert left.message.origin.event_id == "young"


@pytest.mark.parametrize("roles", [ALL, {Role.API}, {Role.EVENTS}])
async def test_each_role_is_composed_without_io(roles: set[Role], tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text(ACCOUNTS, encoding="utf-8")
    service = build(IngestSettings(ingest_accounts_file=file), roles=roles)
    has_api = any(
        getattr(route, "path", "") == "/v1/messages" for route in service.http.routes
    ) or ("/v1/messages" in service.http.openapi()["paths"])
    assert has_api == (Role.API in roles)


def test_a_wrong_accounts_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.yaml"):
        build(IngestSettings(ingest_accounts_file=tmp_path / "none.yaml"))


def test_an_unknown_role_says_which_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "everything"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "all|api|events" in done.stderr


def test_every_code_says_what_to_do_and_is_in_the_readme() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for code in Code:
        assert WHAT_TO_DO[code]
        assert f"`{code}`" in readme


def test_every_setting_is_in_the_readme() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    own = [name for name in IngestSettings.model_fields if name.startswith("ingest_")]
    for name in own:
        assert f"`YIZHAN_{name.upper()}`" in readme


async def test_nothing_runs_while_nothing_arrives() -> None:
    """The collector waits for an event, it does not poll."""
    rounds: list[int] = []

    async def handle(items: Sequence[int]) -> Sequence[int | Exception]:
        rounds.append(len(items))
        return items

    collector = Collector(handle, max_round=10, max_waiting=10)
    task = asyncio.create_task(collector.run())
    await asyncio.sleep(0.05)
    assert rounds == []
    assert await collector.submit(1, 1.0) == 1
    await asyncio.sleep(0.05)
    assert rounds == [1]
    task.cancel()
    await asyncio.wait([task])
