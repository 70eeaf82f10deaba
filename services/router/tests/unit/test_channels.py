"""The table in force: reloaded, published where it differs, never replaced by a bad one."""

import pytest
from prometheus_client import CollectorRegistry
from services.router.tests.unit.fakes import START, FakeClock, FakeFile, FakePublisher, FakeTopics

from router.channels import Channels
from router.metrics import RouterMetrics
from yizhan_contracts.events import ChannelConfigured, ChannelMode, HoldChanged, HoldKind
from yizhan_runtime.errors import Retryable
from yizhan_telecom.choice import Table


def table_of(*names: str, tps: int = 100) -> str:
    return "channels:" + "".join(
        f"""
  - channel: {name}
    carrier: {name}
    carrier_account: {name}
    protocol: http-json
    url: http://127.0.0.1:9/{name}
    tps: {tps}
    countries: {{ '*': {{ price: 0.1 }} }}"""
        for name in names
    )


class Office:
    """Channels on fakes, as the service runs them."""

    def __init__(self, text: str, published: tuple[str, ...] = ()) -> None:
        self.file = FakeFile(text.encode())
        self.topics = FakeTopics()
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        self.tables: list[Table] = []
        self.channels = Channels(
            self.file, self.topics, self.publisher, RouterMetrics(CollectorRegistry()), self.clock
        )
        self.channels.load()
        self.channels.on_table(self.tables.append)
        for event in Office(table_of(*published)).configured if published else ():
            self.channels.on_configured(event.channel, event)

    @property
    def configured(self) -> tuple[ChannelConfigured, ...]:
        return tuple(self.channels.current.channels.values())

    @property
    def published(self) -> list[str]:
        return [event.key() for event in self.publisher.events]

    @property
    def candidates(self) -> list[str]:
        return [entry.channel for entry in self.tables[-1].entries("FR")]


async def test_the_table_is_published_once() -> None:
    office = Office(table_of("a", "b"))
    await office.channels.look()
    await office.channels.look()
    assert office.published == ["a", "b"]


async def test_what_the_topic_holds_already_is_not_published_again() -> None:
    office = Office(table_of("a", "b"), published=("a",))
    await office.channels.look()
    assert office.published == ["b"]


async def test_a_channel_that_left_the_table_leaves_the_topic() -> None:
    office = Office(table_of("a"), published=("a", "old"))
    await office.channels.look()
    assert office.published == []
    assert office.publisher.tombstones == ["old"]


async def test_only_what_changed_is_published_after_a_reload() -> None:
    office = Office(table_of("a", "b"))
    await office.channels.look()
    office.file.write(table_of("a", "b").replace("/b", "/moved"))
    await office.channels.look()
    assert office.published == ["a", "b", "b"]
    assert office.channels.current.channels["b"].url.endswith("/moved")


async def test_a_bad_table_is_refused_and_the_running_one_stays() -> None:
    office = Office(table_of("a"))
    await office.channels.look()
    version = office.channels.version
    office.file.write(table_of("a").replace("tps: 100", "tps: 0"))
    await office.channels.look()
    assert "line 7: channels.a.tps" in office.channels.problem
    assert (office.channels.version, office.candidates) == (version, ["a"])
    office.file.write(table_of("a"))
    await office.channels.look()
    assert office.channels.problem == ""
    assert office.published == ["a"]


async def test_a_new_channel_is_no_candidate_before_its_topics_are_there() -> None:
    office = Office(table_of("a"))
    await office.channels.look()
    office.topics.without = {"b": "topics missing"}
    office.file.write(table_of("a", "b"))
    await office.channels.look()
    assert office.candidates == ["a"]
    assert office.tables[-1].excluded == {"b": "topics missing"}
    office.topics.without = {}
    office.clock.passed_s += 10
    await office.channels.look()
    assert office.candidates == ["a", "b"]


async def test_kafka_away_leaves_the_new_table_in_force_and_publishes_it_later() -> None:
    office = Office(table_of("a"))
    await office.channels.look()
    office.topics.is_away = True
    office.file.write(table_of("a", tps=50))
    await office.channels.look()
    assert office.tables[-1].channels["a"].tps == 50
    assert office.published == ["a"]
    office.topics.is_away = False
    await office.channels.look()
    assert office.published == ["a", "a"]


async def test_a_held_channel_is_no_candidate_until_it_is_resumed() -> None:
    office = Office(table_of("a", "b"))
    hold = HoldChanged(kind=HoldKind.CHANNEL, held_id="a", held=True, changed_at=START)
    office.channels.on_hold(hold.key(), hold)
    assert office.candidates == ["b"]
    office.channels.on_hold(hold.key(), hold.model_copy(update={"held": False}))
    assert office.candidates == ["a", "b"]


async def test_other_holds_are_the_adapters_business() -> None:
    office = Office(table_of("a"))
    hold = HoldChanged(kind=HoldKind.ACCOUNT, held_id="a", held=True, changed_at=START)
    office.channels.on_hold(hold.key(), hold)
    assert office.candidates == ["a"]


async def test_a_channel_in_maintenance_is_no_candidate_until_it_ends() -> None:
    window = "{ begins_at: 2026-11-23T10:00:10Z, ends_at: 2026-11-23T10:00:20Z }"
    office = Office(f"{table_of('a')}\n    maintenance: [{window}]{table_of('b')[9:]}")
    await office.channels.look()
    assert office.candidates == ["a", "b"]
    office.clock.passed_s = 10
    await office.channels.look()
    assert office.candidates == ["b"]
    assert office.tables[-1].excluded == {"a": "maintenance until 2026-11-23 10:00Z"}
    office.clock.passed_s = 20
    await office.channels.look()
    assert office.candidates == ["a", "b"]


async def test_a_draining_channel_is_no_candidate() -> None:
    office = Office(f"{table_of('a')}\n    draining: true{table_of('b')[9:]}")
    await office.channels.look()
    assert office.candidates == ["b"]
    assert office.tables[-1].excluded == {"a": "draining"}


@pytest.mark.parametrize(
    ("mode", "said"), [(ChannelMode.DISABLED, "disabled"), (ChannelMode.DRAINING, "draining")]
)
async def test_an_operators_word_takes_a_channel_out_until_it_is_enabled(
    mode: ChannelMode, said: str
) -> None:
    office = Office(table_of("a", "b"))
    await office.channels.look()
    await office.channels.override("a", mode, "the carrier asked for it")
    assert office.candidates == ["b"]
    assert office.tables[-1].excluded == {"a": said}
    await office.channels.override("a", ChannelMode.NORMAL, "")
    assert office.candidates == ["a", "b"]
    assert office.tables[-1].excluded == {}


async def test_adapters_are_told_of_an_operators_word_at_once() -> None:
    office = Office(table_of("a", "b"))
    await office.channels.look()
    await office.channels.override("a", ChannelMode.DISABLED, "")
    told = office.publisher.events[-1]
    assert isinstance(told, ChannelConfigured)
    assert (told.channel, told.enabled) == ("a", False)


async def test_an_operators_word_is_kept_over_a_restart_and_a_change_of_the_file() -> None:
    before = Office(table_of("a", "b"))
    await before.channels.override("a", ChannelMode.DISABLED, "")
    (word,) = before.channels.overrides.values()
    after = Office(table_of("a", "b"))
    after.channels.on_overridden("a", word)
    assert after.candidates == ["b"]
    after.file.write(table_of("a", "b", tps=7))
    await after.channels.look()
    assert after.candidates == ["b"]


async def test_what_the_file_disables_no_operator_enables() -> None:
    office = Office(table_of("a").replace("tps", "enabled: false\n    tps"))
    await office.channels.override("a", ChannelMode.NORMAL, "")
    assert office.candidates == []


async def test_a_word_on_a_channel_that_is_not_there_is_refused() -> None:
    office = Office(table_of("a"))
    with pytest.raises(KeyError):
        await office.channels.override("b", ChannelMode.DISABLED, "")
    assert office.publisher.events == []


async def test_a_word_that_was_not_kept_changes_nothing() -> None:
    office = Office(table_of("a"))
    office.publisher.failures = 1
    with pytest.raises(Retryable):
        await office.channels.override("a", ChannelMode.DISABLED, "")
    assert office.candidates == ["a"]
