"""``python -m bench.shaping``: whether a channel keeps to what it is held to, on real servers.

The rate for one and for three carrier-adapters and while they come and go, lanes under a full rate,
a kill -9 with a full window, and a carrier that dies with 10,000 messages queued. Counted at the
simulated carrier. Servers: as for tests.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from bench.shaping.corner import Corner, open_corner, plans, until
from yizhan_contracts.events import Lane

TPS = 200.0
_SAMPLE_S = 0.1


async def rate(corner: Corner, instances: int, seconds: float = 15.0) -> dict[str, Any]:
    """Measure messages a second over all instances, every one of which has a queue."""
    await corner.begin({}, tps=TPS, window=400, batch_max=20)
    await corner.publish(plans(int(TPS * (seconds + 75))))
    for _ in range(instances):
        await corner.start()
    await asyncio.sleep(4)
    samples = await _samples(corner, seconds)
    channels = await corner.channels()
    await corner.stop()
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    return {
        "instances": instances,
        "tps": TPS,
        "measured": round((last - first) / (last_at - first_at), 1),
        "shares": [one["share"] for one in channels],
        "left": [one["backlog"] for one in channels],
    }


async def rebalances(corner: Corner) -> dict[str, Any]:
    """Let instances come and go, and find the busiest stretches at the carrier."""
    await corner.begin({}, tps=TPS, window=400, batch_max=20)
    await corner.publish(plans(int(TPS * 70)))
    await corner.start()

    async def come_and_go() -> None:
        await asyncio.sleep(5)
        await corner.start()
        await asyncio.sleep(5)
        third = await corner.start()
        await asyncio.sleep(5)
        third.terminate()
        await third.wait()
        await asyncio.sleep(5)

    changing = asyncio.ensure_future(come_and_go())
    samples = await _samples(corner, until=changing.done)
    await changing
    await corner.stop()
    return {
        "tps": TPS,
        "seconds": samples[-1][0] - samples[0][0],
        "busiest_10_s": _busiest(samples, 10.0),
        "busiest_1_s": _busiest(samples, 1.0),
        "mean": (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0]),
    }


async def lanes(corner: Corner) -> dict[str, Any]:
    """Offer each lane more than the whole rate."""
    await corner.begin({}, tps=TPS, window=400, batch_max=20)
    planned = [one for lane in Lane for one in plans(int(TPS * 15), lane)]
    lane_of = {one.attempt_id: one.message.lane.value for one in planned}
    await corner.publish(planned)
    await corner.start()
    await asyncio.sleep(12)
    found = await corner.records()
    await corner.stop()
    sent = Counter(lane_of[ref] for ref in found["by_ref"] if ref in lane_of)
    bulk = sent[Lane.BULK.value] or 1
    return {"sent": dict(sent), "to_one_of_bulk": {k: round(v / bulk, 2) for k, v in sent.items()}}


async def kill(corner: Corner, window: int = 200) -> dict[str, Any]:
    """Kill the adapter with a full window, start another, count what is in doubt."""
    latency = {"latency_ms": {"p50": 1500, "p99": 1600}}
    await corner.begin(latency, tps=1000.0, window=window, batch_max=10, submit_timeout_s=4.0)
    planned = plans(2000)
    await corner.publish(planned)
    await corner.start()

    async def is_full() -> bool:
        return await corner.handed() >= 3 * window

    await until(is_full, 30, 0.05)
    await corner.stop(signal.SIGKILL)
    await corner.behave()
    await corner.start()
    mine = {one.attempt_id for one in planned}
    said = await _said_of_all(corner, mine, 90)
    records = await corner.records()
    await corner.stop()
    doubtful = sum(said[attempt] == Counter({"in-doubt": 1}) for attempt in mine)
    return {
        "window": window,
        "in_doubt": doubtful,
        "submitted": sum(said[attempt]["submitted"] > 0 for attempt in mine),
        "handed_twice": records["handed"] - records["refs"],
    }


async def dies(corner: Corner, count: int = 10_000) -> dict[str, Any]:
    """Break the carrier with ``count`` messages queued: how long until all are handed back."""
    await corner.begin({}, tps=20.0, window=100, batch_max=20)
    events = plans(count)
    planned = {one.attempt_id for one in events}
    await corner.publish(events)
    await corner.start()
    await asyncio.sleep(3)
    await corner.behave(down=True)
    broken = time.monotonic()
    said = await _said_of_all(corner, planned, 120)
    took_s = time.monotonic() - broken
    await corner.stop()
    outcomes = sum((said[attempt] for attempt in planned), Counter[str]())
    return {"queued": count, "outcomes": dict(outcomes), "handed_back_s": round(took_s, 1)}


async def _said_of_all(
    corner: Corner, attempts: set[str], within_s: float
) -> dict[str, Counter[str]]:
    """Wait until something is said of every attempt."""
    said: dict[str, Counter[str]] = {}

    async def is_said() -> bool:
        said.update(await corner.outcomes())
        return attempts <= said.keys()

    await until(is_said, within_s, 0.5)
    return said


async def _samples(
    corner: Corner, seconds: float = 600.0, until: Callable[[], bool] = lambda: False
) -> list[tuple[float, int]]:
    begun, samples = time.monotonic(), []
    while time.monotonic() - begun < seconds and not until():
        samples.append((time.monotonic(), await corner.handed()))
        await asyncio.sleep(_SAMPLE_S)
    return samples


def _busiest(samples: list[tuple[float, int]], stretch_s: float) -> float:
    """Give the most messages a second over any stretch of at least so long."""
    rates = []
    for begin, (at, count) in enumerate(samples):
        later = next((one for one in samples[begin:] if one[0] - at >= stretch_s), None)
        if later is not None:
            rates.append((later[1] - count) / (later[0] - at))
    return max(rates, default=0.0)


async def main(which: str) -> None:
    """Measure, print one line each."""
    measures: dict[str, Callable[[Corner], Awaitable[dict[str, Any]]]] = {
        "one": lambda corner: rate(corner, 1),
        "three": lambda corner: rate(corner, 3),
        "rebalances": rebalances,
        "lanes": lanes,
        "kill": kill,
        "dies": dies,
    }
    for name, measure in measures.items():
        if which in (name, "all"):
            async with open_corner() as corner:
                print(name, json.dumps(await measure(corner)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.shaping", description=__doc__)
    parser.add_argument("which", nargs="?", default="all")
    asyncio.run(main(parser.parse_args().which))
