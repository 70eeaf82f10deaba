"""The router on a real Kafka: it plans, plans again, reloads, and leaves a broken channel."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from services.router.tests.integration.stage import TOKEN, Stage, open_stage
from services.router.tests.unit.fakes import finished, reroute
from services.router.tests.unit.fakes import message as fake_message

from yizhan_contracts.events import (
    AttemptOutcome,
    ChannelConfigured,
    ChannelReported,
    CountryOutcomes,
    MessageAccepted,
)
from yizhan_contracts.reasons import Reason
from yizhan_contracts.topics import MESSAGE_ACCEPTED, dlq_topic
from yizhan_runtime.errors import Misconfigured

pytestmark = pytest.mark.integration


@pytest.fixture
async def stage(kafka_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(kafka_url, namespace, tmp_path) as stage:
        yield stage


def message(number: int) -> MessageAccepted:
    return fake_message(number, valid_until=datetime.now(UTC) + timedelta(hours=1))


def tps_of(channel: ChannelConfigured | None) -> float:
    return channel.tps if channel is not None else 0.0


def reported(channel: str, *, failed: int = 0, bound: bool = True) -> ChannelReported:
    return ChannelReported(
        channel=channel,
        instance="i",
        incarnation="x",
        bound=bound,
        window_free=100,
        backlog=0,
        countries={"FR": CountryOutcomes(failed=failed), "DE": CountryOutcomes(failed=failed)},
        reported_at=datetime.now(UTC),
    )


async def test_what_is_accepted_refused_released_or_rerouted_is_planned(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    messages = [message(number) for number in range(4)]
    await stage.send(
        messages[0],
        finished(messages[1], AttemptOutcome.REFUSED, reason=Reason.CARRIER_ERROR),
        finished(messages[2], AttemptOutcome.RELEASED, reason=Reason.CHANNEL_DOWN),
        reroute(messages[3]),
        finished(messages[0], AttemptOutcome.SUBMITTED),
    )
    async with stage.router():
        plans = await stage.plans("a", "b", until=lambda found: len(found) == 4)
    by_message = {plan.message.message_id: (plan.n, plan.channel) for plan in plans}
    wanted = [(1, "a"), (2, "b"), (1, "b"), (2, "b")]
    assert [by_message[m.message_id] for m in messages] == wanted


async def test_the_table_is_published_and_follows_the_file(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    async with stage.router():
        await stage.configured(lambda table: set(table) == {"a", "b"})
        stage.write_table("a", tps=7)
        table = await stage.configured(
            lambda table: (
                table.get("b", 1) is None and table["a"] is not None and table["a"].tps == 7
            )
        )
    assert table["a"] is not None
    stage.write_table("a", tps=7)
    async with stage.router():  # a second start finds the topic as it should be
        await asyncio.sleep(1)
    again = await stage.configured(lambda table: table.get("b", 1) is None)
    assert again["a"] == table["a"]


async def test_a_channel_without_topics_is_no_candidate_until_they_are_there(stage: Stage) -> None:
    await stage.provision("b")
    stage.write_table("a", "b")
    async with stage.router():
        await stage.send(message(1))
        (plan,) = await stage.plans("b", until=lambda found: len(found) == 1)
        assert plan.channel == "b"


async def test_a_broken_channel_is_left_but_for_probes(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    async with stage.router():
        await stage.send(reported("a"))
        await stage.send(message(1))
        await stage.plans("a", until=lambda found: len(found) == 1)
        for number in range(2, 40):
            if number in (2, 7):
                await stage.send(reported("a", failed=10 * number))
            await stage.send(message(number))
            await asyncio.sleep(0.05)
        plans = await stage.plans("a", "b", until=lambda found: len(found) == 39)
    last = sorted(plans, key=lambda plan: plan.planned_at)[-10:]
    assert sum(plan.channel == "b" for plan in last) >= 9


async def test_poison_is_set_aside_and_blocks_nothing(stage: Stage) -> None:
    await stage.provision("a")
    stage.write_table("a")
    for value in (b"{}", b"\xff\xfe", None):
        await stage.send_raw(MESSAGE_ACCEPTED[1].name, value)
    await stage.send(message(1))
    async with stage.router():
        await stage.plans("a", until=lambda found: len(found) == 1)
        aside = [value async for _, value in _take(stage, dlq_topic("router").name, 3)]
    assert sorted(aside, key=str) == sorted([b"{}", b"\xff\xfe", None], key=str)


async def test_a_second_instance_plans_the_same(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    async with stage.router(), stage.router():
        await stage.send(*(message(number) for number in range(200)))
        plans = await stage.plans("a", "b", until=lambda found: len(found) >= 200)
    assert {plan.channel for plan in plans} == {"a"}
    assert len({plan.attempt_id for plan in plans}) == 200


async def test_the_api_shows_the_table_and_explains_a_choice(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    async with stage.router() as service, stage.http(service) as url:
        table = await _get(f"{url}/v1/channels")
        said = await _get(f"{url}/v1/explain?country=FR&tried=a")
        wrong = await _get(f"{url}/v1/explain?country=France")
    assert [channel["channel"] for channel in table["channels"]] == ["a", "b"]
    assert table["channels"][0]["health"]["state"] == "healthy"
    assert (said["chosen"], said["why"]) == ("b", "preferred")
    assert [(row["channel"], row["is_tried"]) for row in said["candidates"]] == [
        ("b", False),
        ("a", True),
    ]
    assert wrong["detail"][0]["loc"] == ["query", "country"]


async def test_the_api_answers_nobody_without_the_token(stage: Stage) -> None:
    await stage.provision("a")
    stage.write_table("a")
    async with stage.router() as service, stage.http(service) as url:
        for method, path in (
            ("GET", "channels"),
            ("GET", "channels/a"),
            ("GET", "explain?country=FR"),
            ("POST", "channels/a/disable"),
        ):
            assert (await _ask(method, f"{url}/v1/{path}", "guess"))[0] == 401
        assert (await _get(f"{url}/v1/channels/a"))["mode"] == "normal"


async def test_an_operators_word_holds_for_all_instances_and_over_a_restart(stage: Stage) -> None:
    await stage.provision("a", "b")
    stage.write_table("a", "b")
    async with stage.router() as first, stage.router(), stage.http(first) as url:
        status, answer = await _ask("POST", f"{url}/v1/channels/a/disable")
        assert (status, answer["mode"], answer["excluded"]) == (200, "disabled", "disabled")
        assert (await _ask("POST", f"{url}/v1/channels/nobody/disable"))[0] == 404
        await stage.configured(_is_enabled("a", wanted=False))
    async with stage.router() as again, stage.http(again) as url:
        await stage.send(*(message(number) for number in range(50)))
        plans = await stage.plans("a", "b", until=lambda found: len(found) == 50)
        assert {plan.channel for plan in plans} == {"b"}
        status, answer = await _ask("POST", f"{url}/v1/channels/a/enable")
        assert (status, answer["mode"], answer["excluded"]) == (200, "normal", "")
        await stage.configured(_is_enabled("a", wanted=True))
        await stage.send(message(51))
        await stage.plans("a", until=lambda found: len(found) == 1)


def _is_enabled(
    channel: str, *, wanted: bool
) -> Callable[[dict[str, ChannelConfigured | None]], bool]:
    def check(table: dict[str, ChannelConfigured | None]) -> bool:
        row = table.get(channel)
        return row is not None and row.enabled is wanted

    return check


async def test_missing_topics_are_named_and_nothing_starts(stage: Stage) -> None:
    stage.write_table("a")
    with pytest.raises(Misconfigured, match="yizhan topics apply"):
        async with stage.router():
            pass


async def _take(stage: Stage, topic: str, count: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
    async for record in stage._records([topic]):
        yield record
        count -= 1
        if not count:
            return


async def _get(url: str) -> Any:
    return (await _ask("GET", url))[1]


async def _ask(method: str, url: str, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url) as answer,
    ):
        return answer.status, await answer.json()
