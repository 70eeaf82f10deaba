"""Another table against traffic that a real Kafka holds."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from libs.telecom.tests.unit.test_choice import channel
from libs.telecom.tests.unit.test_what_if import Event, events_of

from yizhan_cli.errors import Exit
from yizhan_contracts.events import ChannelConfigured

from .conftest import Yizhan

pytestmark = pytest.mark.integration

TABLE = """
channels:
  - channel: b
    carrier: b
    carrier_account: b
    protocol: http-json
    url: ${SIMULATORS_URL}/b
    countries: { FR: { price: 0.02 }, NO: {} }
"""


async def publish(
    kafka_url: str, namespace: str, events: Iterable[Event | ChannelConfigured]
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_url)
    await producer.start()
    try:
        for event in events:
            key = event.key().encode()
            value = event.model_dump_json().encode()
            await producer.send(namespace + event.topic(), value, key)
        await producer.flush()
    finally:
        await producer.stop()


async def test_recorded_traffic_by_another_table(
    yizhan: Yizhan, kafka_url: str, namespace: str, tmp_path: Path
) -> None:
    assert yizhan("topics", "apply", "--channels", "a,b").code == 0
    table = tmp_path / "other.yaml"
    table.write_text(TABLE)
    assert yizhan("what-if", str(table)).code == Exit.NOT_FOUND

    traffic = [event for number in range(20) for event in events_of(number)]
    stamp = {"configured_at": datetime.now(UTC) - timedelta(hours=1)}
    await publish(kafka_url, namespace, [*traffic, channel("a").model_copy(update=stamp)])

    found = yizhan("what-if", str(table), "--json").json
    assert found["measured"]["channels"]["a"]["first"] == 20
    assert found["measured"]["cost"] == pytest.approx(20 * 0.05)
    assert found["then"]["channels"]["b"]["rests_on"] == {"prior": 20}
    assert found["then"]["cost"] < 20 * 0.021
    told = yizhan("what-if", str(table))
    assert "b in FR, 20 messages: never used at all" in told.err
    assert "now, measured" in told.out


def test_a_table_that_cannot_be_read_is_named(yizhan: Yizhan, tmp_path: Path) -> None:
    table = tmp_path / "bad.yaml"
    table.write_text(TABLE.replace("price: 0.02", "price: cheap"))
    done = yizhan("what-if", str(table))
    assert done.code == Exit.USAGE
    assert "channel b: countries.FR.price" in done.err
