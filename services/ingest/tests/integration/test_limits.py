"""Limits in a real MongoDB: two instances share a day, a number's window, and nothing is over."""

import asyncio
import json

import pytest
import yaml
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.asgi import call
from services.ingest.tests.unit.making import AUTHORIZATION, US
from services.ingest.tests.unit.test_api import BODY

from ingest.app import Role
from yizhan_runtime.service import Service

pytestmark = pytest.mark.integration


def limit(corner: Corner, limits: dict[str, object]) -> None:
    file = corner.settings.ingest_accounts_file
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["accounts"][0]["limits"] = limits
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


async def statuses(services: list[Service], count: int, to: str = US) -> list[int]:
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
    body = json.dumps({**BODY, "to": to}).encode()
    turns = [services[number % len(services)] for number in range(count)]
    asked = [call(one.http, "POST", "/v1/messages", headers=headers, body=body) for one in turns]
    return [reply.status for reply in await asyncio.gather(*asked)]


async def test_two_instances_share_a_day_and_what_a_stop_gives_back(corner: Corner) -> None:
    limit(corner, {"messages_per_day": 100})
    services = [await corner.start([Role.API]) for _ in range(2)]
    told = await statuses(services, 130)
    assert (told.count(202), told.count(429)) == (100, 30)
    assert len(await corner.messages()) == 100


async def test_a_number_gets_its_messages_once_whichever_instance_is_asked(corner: Corner) -> None:
    limit(corner, {"per_recipient": {"messages": 3, "window_s": 2_000_000}})
    services = [await corner.start([Role.API]) for _ in range(2)]
    told = await statuses(services, 20)
    assert (told.count(202), told.count(429)) == (3, 17)
    assert await statuses(services, 1, "+12015550145") == [202]
