"""What operators want of channels, on top of what the file says. Pure."""

from collections.abc import Iterable, Mapping

from yizhan_contracts.events import ChannelConfigured, ChannelMode, ChannelOverridden


def overridden(
    channels: Iterable[ChannelConfigured], overrides: Mapping[str, ChannelOverridden]
) -> tuple[ChannelConfigured, ...]:
    """Give the channels as they are to be: an operator can take away, never give."""
    return tuple(_overridden(channel, overrides.get(channel.channel)) for channel in channels)


def _overridden(
    channel: ChannelConfigured, override: ChannelOverridden | None
) -> ChannelConfigured:
    match override.mode if override else ChannelMode.NORMAL:
        case ChannelMode.DISABLED:
            return channel.model_copy(update={"enabled": False})
        case ChannelMode.DRAINING:
            return channel.model_copy(update={"draining": True})
        case _:
            return channel
