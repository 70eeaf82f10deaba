"""What the end-to-end tests change of the demo's configuration."""

from typing import Any

from tests.support.config import Files, add_account, channel
from tests.support.world import World
from yizhan_demo.upstream import COUNTRIES

DRIP = "LU"
"""A country whose only channel takes one message in a hundred seconds."""

LATE = "MT"
"""A country whose carrier sends receipts a minute late."""

NARROW = "BE"
"""A country whose first channel takes four messages a second."""

OPERATED = "AT"
"""A country whose first channel takes one message a second, and is taken out by operators."""

HELD = "held"
"""An account that operators stop."""

NO_ROUTE = "IS"
"""A country that no channel serves."""


def change(files: Files) -> None:
    """Name every country that is served, and add accounts with policies of their own."""
    for name in ("apex-global", "fallback-global"):
        countries = channel(files, name)["countries"]
        rest = countries.pop("*")
        channel(files, name)["countries"] = {
            **dict.fromkeys([*COUNTRIES, NARROW, OPERATED], rest),
            **countries,
        }
    _add_channel(files, "drip", DRIP, tps=0.05)
    _add_channel(files, "late", LATE, tps=100)
    _add_channel(files, "narrow", NARROW, tps=4)
    _add_channel(files, "operated", OPERATED, tps=1)
    policy = {"receipt_timeout_s": 3, "voice": "on-failure", "voice_wait_s": 30}
    add_account(files, "quick", like="demo", suffix="-quick", policy=policy)
    hold = {"receipt_timeout_s": 3, "in_doubt": "hold"}
    add_account(files, "hold", like="demo-sms", suffix="-hold", policy=hold)
    add_account(files, HELD, like="demo-sms", suffix=f"-{HELD}")
    add_account(files, "tester", like="demo-sms", suffix="-test", test=True)


def _add_channel(files: Files, name: str, country: str, tps: float) -> None:
    url = "${SIMULATORS_URL}/" + name
    files["channels"]["channels"].append(
        new_channel(channel(files, "fallback-global"), name, url, country, tps)
    )


def new_channel(
    like: dict[str, Any], name: str, url: str, country: str, tps: float = 100
) -> dict[str, Any]:
    """Make a channel like another, for one country."""
    countries = {country: {"price": 0.01, "priority": 10}}
    changes = {"channel": name, "url": url, "tps": tps, "batch_max": 1, "countries": countries}
    return like | changes


async def table_of(world: World) -> dict[str, Any]:
    """Ask the router for the table in force."""
    table: dict[str, Any] = await world.get("router", "/v1/channels")
    return table
