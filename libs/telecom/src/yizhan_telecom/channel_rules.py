"""What a channel's configuration allows: senders, templates, texts, maintenance. Pure.

Router and carrier-adapter both ask here, so that what is planned is what is sent.
"""

import re
from datetime import datetime, timedelta

from yizhan_contracts.events import (
    CarrierTemplate,
    ChannelConfigured,
    CountryRoute,
    MaintenanceWindow,
    Repeats,
    SenderKind,
    TemplateState,
    TemplateUse,
)
from yizhan_telecom.segments import Encoding, encoding_of, segments

REST = "*"
"""Stands for every country that a channel does not name."""

_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_NUMERIC = re.compile(r"\+?[0-9]+")
_PERIODS = {Repeats.DAILY: timedelta(days=1), Repeats.WEEKLY: timedelta(weeks=1)}


def route_of(channel: ChannelConfigured, country: str) -> CountryRoute | None:
    """Give what a channel offers in a country, None where it does not serve it."""
    return channel.countries.get(country) or channel.countries.get(REST)


def kind_of(sender: str) -> SenderKind:
    """Tell what a sender is: 3 to 8 digits are a short code, longer ones a number."""
    if _SHORT_CODE.fullmatch(sender):
        return SenderKind.SHORT_CODE
    return SenderKind.NUMERIC if _NUMERIC.fullmatch(sender) else SenderKind.ALPHANUMERIC


def sender_in(channel: ChannelConfigured, country: str, asked: str) -> str:
    """Give the sender that goes out: the country's own, else the channel's, else what was asked."""
    route = route_of(channel, country)
    return (route.senders.rewrite if route else "") or channel.sender or asked


def sender_refusal(channel: ChannelConfigured, country: str, asked: str) -> str:
    """Say why a channel does not take a sender in a country, empty where it does."""
    route = route_of(channel, country)
    if route is None or route.senders.rewrite:
        return ""
    rules, sender = route.senders, channel.sender or asked
    if rules.kinds and (kind := kind_of(sender)) not in rules.kinds:
        return f"takes no {kind} sender in {country}"
    if rules.registered and sender not in rules.registered:
        return f"the sender is not registered for {country}"
    return ""


def template_in(channel: ChannelConfigured, use: TemplateUse) -> CarrierTemplate | None:
    """Give the carrier's own form of a template; that of the very language wins."""
    name = f"{use.template_id}@{use.version}"
    return channel.templates.get(f"{name}/{use.language}") or channel.templates.get(name)


def template_refusal(channel: ChannelConfigured, use: TemplateUse | None) -> str:
    """Say why a channel cannot take a message for its template, empty where it can."""
    if not channel.needs_templates:
        return ""
    if use is None:
        return "takes templates only, and the message has none"
    found = template_in(channel, use)
    if found is None:
        return f"has no template for {use.template_id}@{use.version}/{use.language}"
    if found.state is not TemplateState.APPROVED:
        return f"its template for {use.template_id}@{use.version}/{use.language} is {found.state}"
    return ""


def text_refusal(channel: ChannelConfigured, text: str) -> str:
    """Say why a channel cannot take a text, empty where it can."""
    if channel.unicode and not channel.max_segments:
        return ""
    is_gsm7 = encoding_of(text) is Encoding.GSM7
    return text_refusal_of(channel, is_gsm7=is_gsm7, count=segments(text))


def text_refusal_of(channel: ChannelConfigured, *, is_gsm7: bool, count: int) -> str:
    """Say why a channel cannot take a text of so many segments, empty where it can."""
    if not channel.unicode and not is_gsm7:
        return "takes GSM-7 texts only"
    if channel.max_segments and count > channel.max_segments:
        return f"takes {channel.max_segments} segments at most, not {count}"
    return ""


def maintenance_until(channel: ChannelConfigured, now: datetime) -> datetime | None:
    """Give when the maintenance that is on ends, None where none is."""
    return max((end for window in channel.maintenance if (end := _end(window, now))), default=None)


def _end(window: MaintenanceWindow, now: datetime) -> datetime | None:
    begins, ends = window.begins_at, window.ends_at
    period = _PERIODS.get(window.repeats)
    if period is not None and now >= begins:
        passed = (now - begins) // period
        begins, ends = begins + passed * period, ends + passed * period
    return ends if begins <= now < ends else None
