"""Which topics of which channels are there."""

from collections.abc import Iterable

from yizhan_contracts.events import Lane
from yizhan_contracts.topics import attempt_planned
from yizhan_runtime.kafka import describe_topics
from yizhan_runtime.settings import RuntimeSettings


class KafkaTopics:
    """Asks the broker. Creates nothing: `yizhan topics apply` does."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings

    async def missing(self, channels: Iterable[str]) -> dict[str, str]:
        prefix = self._settings.namespace
        topics = {
            name: [attempt_planned(name, lane) for lane in Lane] for name in sorted(set(channels))
        }
        wanted = [prefix + topic.name for each in topics.values() for topic in each]
        found = await describe_topics(self._settings, wanted) if wanted else {}
        problems: dict[str, str] = {}
        for channel, expected in topics.items():
            wrong = [t for t in expected if found.get(prefix + t.name, 0) != t.partitions]
            if wrong:
                names = ", ".join(prefix + topic.name for topic in wrong)
                problems[channel] = (
                    f"topics missing or of another partition count: {names}; "
                    "run `yizhan topics apply` with the channel table"
                )
        return problems
