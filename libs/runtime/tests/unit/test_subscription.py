"""Who a member of a group is."""

from typing import Any

from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.subscription import Subscription, static_member


async def _nothing(*_: Any) -> None:
    return None


def _reading(*topics: str) -> Subscription:
    return Subscription(topics, "group", _nothing, _nothing, _nothing, 100)


def test_a_member_that_reads_other_topics_is_another_member() -> None:
    """Or Kafka would hand it what it read before, and nothing of the new topics."""
    settings = RuntimeSettings(namespace="t.", instance="a")
    before = static_member(settings, _reading("one", "two"))
    assert static_member(settings, _reading("one", "two", "three")) != before
    assert static_member(settings, _reading("two", "one")) == before


def test_a_member_is_known_by_its_instance_and_group() -> None:
    topics = _reading("one")
    first = static_member(RuntimeSettings(namespace="t.", instance="a"), topics)
    assert first is not None
    assert first.startswith("t.group-a-")
    assert static_member(RuntimeSettings(namespace="t.", instance="b"), topics) != first
    assert static_member(RuntimeSettings(namespace="t."), topics) is None
