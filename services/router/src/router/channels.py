"""The channel table in force: loaded, checked, published when it changes.

Every instance does the same, and a repeat does no harm: a channel is published only where it
differs from what the topic holds.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from router.errors import BadTable
from router.metrics import RouterMetrics
from router.overrides import overridden
from router.ports import Publisher, TableSource, TopicCheck
from router.table_file import ChannelTable, parse_table, version_of
from yizhan_contracts.events import (
    ChannelConfigured,
    ChannelMode,
    ChannelOverridden,
    HoldChanged,
    HoldKind,
)
from yizhan_contracts.topics import CHANNEL_CONFIGURED
from yizhan_runtime.clock import Clock
from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import get_logger
from yizhan_telecom.channel_rules import maintenance_until
from yizhan_telecom.choice import Table

log = get_logger(__name__)

TOPICS_AGAIN_S = 10.0
_STAMPED = {"table_version", "configured_at"}
OnTable = Callable[[Table], None]


@dataclass
class Channels:
    """Owns the table. ``on_table`` hears of every change that a choice must know of."""

    source: TableSource
    topics: TopicCheck
    publisher: Publisher
    metrics: RouterMetrics
    clock: Clock
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    problem: str = ""
    """Why the file as it stands now is refused, empty where it is in force."""
    overrides: dict[str, ChannelOverridden] = field(default_factory=dict)
    """What operators said last of channels, by channel."""
    _table: ChannelTable = field(default_factory=lambda: ChannelTable("", ()))
    _seen: str = ""
    _stamp: object = None
    _published: dict[str, ChannelConfigured] = field(default_factory=dict)
    _missing: dict[str, str] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _in_maintenance: dict[str, str] = field(default_factory=dict)
    _checked_at: float = 0.0
    _is_published: bool = False
    _listeners: list[OnTable] = field(default_factory=list)

    def on_table(self, listener: OnTable) -> None:
        """Call a listener with every new table, and with the present one at once."""
        self._listeners.append(listener)
        listener(self.current)

    @property
    def version(self) -> str:
        return self._table.version

    @property
    def current(self) -> Table:
        """Give the table in force, with the channels that are not to be used left out."""
        excluded = self._in_maintenance | dict.fromkeys(self._held, "held") | self._missing
        return Table(self._wanted(), excluded, self._table.rules, self.version)

    def load(self) -> None:
        """Read the file for the first time. Raises BadTable."""
        self._stamp = self.source.stamp()
        text = self.source.load()
        self._seen = version_of(text)
        self._table = parse_table(text, self.environ, self.clock.now())
        self._in_maintenance = self._maintained()
        self._log_loaded()

    def on_configured(self, key: str, channel: ChannelConfigured | None) -> None:
        """Learn what the topic holds."""
        if channel is None:
            self._published.pop(key, None)
        else:
            self._published[key] = channel

    def on_hold(self, _key: str, hold: HoldChanged | None) -> None:
        """Take a channel out of the choice, or put it back."""
        if hold is None or hold.kind is not HoldKind.CHANNEL:
            return
        before = set(self._held)
        (self._held.add if hold.held else self._held.discard)(hold.held_id)
        if self._held != before:
            log.info("a channel's hold changed", extra={"channel": hold.held_id, "held": hold.held})
            self._tell()

    def on_overridden(self, key: str, override: ChannelOverridden | None) -> None:
        """Learn what an operator wants of a channel."""
        before = self._wanted()
        if override is None:
            self.overrides.pop(key, None)
        else:
            self.overrides[key] = override
        if self._wanted() != before:
            mode = override.mode if override else ChannelMode.NORMAL
            log.info("a channel's mode changed", extra={"channel": key, "mode": mode})
            self._is_published = False
            self._tell()

    async def override(self, channel: str, mode: ChannelMode, reason: str) -> None:
        """Put an operator's word in force: all instances read it. Raises KeyError, Retryable.

        When this returns it is kept, this instance plans by it, and adapters are told.
        """
        if channel not in self.current.channels:
            raise KeyError(channel)
        event = ChannelOverridden(
            channel=channel, mode=mode, reason=reason, changed_at=self.clock.now()
        )
        await self.publisher.publish([event])
        self.on_overridden(channel, event)
        await self.look()

    async def check_topics(self) -> None:
        """Find out which channels have their topics. Raises Retryable while Kafka is away."""
        missing = await self.topics.missing([c.channel for c in self._table.channels])
        self._checked_at = self.clock.monotonic()
        if missing != self._missing:
            for channel, problem in missing.items():
                log.warning("a channel is not routable", extra={"channel": channel, "why": problem})
            self._missing = missing
            self._tell()
        self.metrics.show_table(self.version, len(missing))

    async def look(self) -> None:
        """Do what is due: a changed file, maintenance, missing topics, what is unpublished."""
        self._reload()
        self._watch_maintenance()
        try:
            late = self.clock.monotonic() - self._checked_at >= TOPICS_AGAIN_S
            if not self._is_published or (self._missing and late):
                await self.check_topics()
            if not self._is_published:
                await self._publish()
        except Retryable as error:
            self._is_published = False
            log.warning("the table waits for Kafka", extra={"why": str(error)})

    def _reload(self) -> None:
        stamp = self.source.stamp()
        if stamp == self._stamp:
            return
        try:
            text = self.source.load()
            version = version_of(text)
            if version != self._seen:
                self._seen = version
                self._apply(parse_table(text, self.environ, self.clock.now()))
            elif version == self.version:
                self.problem = ""
        except BadTable as error:
            self._refuse(str(error))
        self._stamp = stamp

    def _watch_maintenance(self) -> None:
        before, self._in_maintenance = self._in_maintenance, self._maintained()
        if self._in_maintenance != before:
            log.info("maintenance began or ended", extra={"channels": self._in_maintenance})
            self._tell()

    def _maintained(self) -> dict[str, str]:
        now = self.clock.now()
        return {
            channel.channel: f"maintenance until {until:%Y-%m-%d %H:%M}Z"
            for channel in self._table.channels
            if (until := maintenance_until(channel, now))
        }

    def _apply(self, table: ChannelTable) -> None:
        self.problem = ""
        self._table = table
        self._in_maintenance = self._maintained()
        self._is_published = False
        # A channel that is new has its topics looked for before it is used.
        known = self._published.keys()
        new = {c.channel: "not looked at yet" for c in table.channels if c.channel not in known}
        self._missing = {**self._missing, **new}
        self._log_loaded()
        self._tell()

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            log.error("the channel table is refused", extra={"why": problem, "kept": self.version})
            self.metrics.record_load("refused")
        self.problem = problem

    async def _publish(self) -> None:
        """Publish what differs from the topic, and take away what is no longer there."""
        # Before and not after: what an operator says while this is under way is published again.
        self._is_published = True
        wanted = {channel.channel: channel for channel in self._wanted()}
        changed = [c for name, c in wanted.items() if _differs(c, self._published.get(name))]
        gone = sorted(self._published.keys() - wanted.keys())
        if changed:
            await self.publisher.publish(changed)
        if gone:
            await self.publisher.publish_tombstones(CHANNEL_CONFIGURED.name, gone)
        self._published = wanted
        if changed or gone:
            names = [channel.channel for channel in changed]
            log.info("channels published", extra={"changed": names, "removed": gone})

    def _wanted(self) -> tuple[ChannelConfigured, ...]:
        return overridden(self._table.channels, self.overrides)

    def _tell(self) -> None:
        table = self.current
        for listener in self._listeners:
            listener(table)

    def _log_loaded(self) -> None:
        self.metrics.record_load("applied")
        log.info(
            "channel table loaded",
            extra={"version": self.version, "channels": len(self._table.channels)},
        )


def _differs(wanted: ChannelConfigured, published: ChannelConfigured | None) -> bool:
    if published is None:
        return True
    return wanted.model_dump(exclude=_STAMPED) != published.model_dump(exclude=_STAMPED)
