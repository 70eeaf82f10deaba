"""``python -m bench routing``: how well messages are routed while carriers fail.

Every contestant meets the same faults on the same seeds. Virtual time: half an hour of a carrier's
trouble is seconds of ours.
"""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.routing.contestants import Contestant, Notify, Oracle, Ours, Static
from bench.routing.measure import Figures, mean_of, measured
from bench.routing.scenarios import SCENARIOS, Scenario
from bench.routing.world import World

OUT = Path("bench/out")
CONTESTANTS: tuple[Callable[[], Contestant], ...] = (Ours, Oracle, Static, Notify)
_HEAD = (
    f"{'':20} {'delivered':>9} {'cost/1000':>9} {'p99 s':>7} {'to bad':>7} "
    f"{'diverted s':>10} {'back s':>7} {'switches':>8} {'twice':>6}"
)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench routing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--rate", type=float, default=0, help="messages a second")
    parser.add_argument("--ours", action="store_true", help="ours and the oracle only")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run all scenarios and print the table."""
    arguments = _arguments(argv)
    scenarios = [s for s in SCENARIOS if arguments.only in s.name]
    contestants = CONTESTANTS[:2] if arguments.ours else CONTESTANTS
    results = {}
    print(_HEAD)
    for scenario in scenarios:
        rate = arguments.rate or scenario.rate
        print(f"{scenario.name} ({len(scenario.periods)} fault(s), {rate:g} messages/s)")
        found = {
            make().name: _figures(scenario, make, arguments.seeds, rate) for make in contestants
        }
        for name, figures in found.items():
            print(_line(name, figures), flush=True)
        results[scenario.name] = {
            name: {field: getattr(figures, field) for field in Figures.__slots__}
            for name, figures in found.items()
        }
    OUT.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime("routing-%Y%m%dT%H%M%S.json")
    (OUT / name).write_text(json.dumps(results, indent=2))
    return 0


def _figures(
    scenario: Scenario, make: Callable[[], Contestant], seeds: int, rate: float
) -> Figures:
    at_rate = scenario.at_rate(rate)
    return mean_of([measured(World(at_rate, make(), seed).run()) for seed in range(1, seeds + 1)])


def _line(name: str, figures: Figures) -> str:
    return (
        f"  {name:18} {figures.delivered:>9.2%} {figures.cost:>9.2f} {figures.p99_s:>7.1f} "
        f"{figures.to_bad:>7.0f} {_seconds(figures.diverted_s):>10} {_seconds(figures.back_s):>7} "
        f"{figures.switches:>8.1f} {figures.twice:>6.0f}"
    )


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
