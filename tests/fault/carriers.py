"""How carriers behave while the faults are made."""

from tests.support.world import World
from yizhan_demo.morning import HANDSETS

CARRIERS = {
    # Per submit, not per message: some submits hold fifty.
    "lose_answer_ratio": 0.01,
    "latency_ms": {"p50": 25, "p99": 250},
    "receipt": {
        "delay_ms": {"p50": 150, "p99": 1500},
        "duplicate_ratio": 0.1,
        "early_ratio": 0.05,
        "reorder": True,
        "numbers": {prefix: fate for prefix, fate in HANDSETS.items() if fate != "none"},
    },
}
"""As carriers are: some answers are lost, some receipts come twice, early, or out of order."""


async def worry(world: World) -> None:
    """Have the carriers behave as carriers do."""
    for channel in world.channels():
        await world.ends.carrier(channel, **CARRIERS)
