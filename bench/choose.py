"""``python -m bench choose``: microseconds a decision, 200 channels in each of 240 countries.

Health is fed as in service: four reports a second from each channel, between decisions. What those
cost is measured apart. One thread; figures of one machine.
"""

import argparse
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from string import ascii_uppercase

from yizhan_contracts.events import (
    ChannelConfigured,
    ChannelReported,
    CountryOutcomes,
    CountryRoute,
    Lane,
    Protocol,
    RoutingPolicy,
    SenderKind,
    SenderRules,
)
from yizhan_telecom.choice import Chooser, Facts, Table
from yizhan_telecom.health import Health

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
COUNTRIES = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)][:240]
REPORTED = 12
"""Countries in each report: a channel's traffic of a moment."""
_REPORT_S = 0.25
ADVANCE_S = 0.1
"""As the router does."""


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench choose", description=__doc__)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=5_000, help="decisions a second, virtual")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure the kinds of decisions one by one."""
    arguments = _arguments(argv)
    print(f"{arguments.channels} channels x {len(COUNTRIES)} countries, microseconds a decision")
    print(f"{'':44} {'mean':>7} {'p50':>7} {'p99':>7}   reports us")
    for title, bench in _kinds(arguments):
        mean, p50, p99, report_us = bench.run(arguments.decisions)
        print(f"{title:44} {mean:>7.1f} {p50:>7.1f} {p99:>7.1f} {report_us:>12.1f}", flush=True)
    return 0


def _kinds(arguments: argparse.Namespace) -> Iterator[tuple[str, "Bench"]]:
    for routing in RoutingPolicy:
        yield f"all well, policy {routing}", Bench(arguments, routing=routing)
    yield "a second attempt, two channels tried", Bench(arguments, tried=2)
    yield "one in ten channels broken", Bench(arguments, broken=0.1)
    yield "nine in ten channels broken", Bench(arguments, broken=0.9)
    yield "every channel with sender and text terms", Bench(arguments, terms=True)
    yield "expected delivery of a channel moves 10 x/s", Bench(arguments, moving=True)
    yield "first decision of each country and policy", Bench(arguments, is_cold=True)


class Bench:
    """One kind of decision, measured."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        *,
        routing: RoutingPolicy = RoutingPolicy.QUALITY,
        tried: int = 0,
        broken: float = 0.0,
        terms: bool = False,
        moving: bool = False,
        is_cold: bool = False,
    ) -> None:
        self._drawn = random.Random(7)
        self._names = [f"c{number:03}" for number in range(arguments.channels)]
        self._step_s = 1.0 / arguments.rate
        self._routing, self._tried, self._is_cold, self._moving = routing, tried, is_cold, moving
        self._broken = set(self._names[: int(broken * len(self._names))])
        self._table = Table([self._channel(name, terms=terms) for name in self._names])
        self._health = Health()
        self._health.keep(self._names, 0.0)
        self._chooser = Chooser(self._table, self._health)
        self._counts: dict[str, dict[str, CountryOutcomes]] = {name: {} for name in self._names}
        self._report_s = 0.0
        self._reports = 0
        self._now = self._advanced_at = 0.0
        for _ in range(20):
            for name in self._names:
                self._report(name)
            self._now += _REPORT_S

    def _channel(self, name: str, *, terms: bool) -> ChannelConfigured:
        drawn = self._drawn
        senders = SenderRules(kinds=(SenderKind.ALPHANUMERIC,)) if terms else SenderRules()
        route = CountryRoute(
            price=round(0.01 + 0.09 * drawn.random(), 4),
            priority=10 * drawn.randrange(1, 20),
            senders=senders,
        )
        return ChannelConfigured(
            channel=name,
            carrier=name,
            carrier_account=name,
            protocol=Protocol.HTTP_JSON,
            tps=10_000,
            countries=dict.fromkeys(COUNTRIES, route),
            unicode=not terms,
            configured_at=EPOCH,
        )

    def run(self, decisions: int) -> tuple[float, float, float, float]:
        """Give mean, p50 and p99 of a decision, and the mean of a report, in microseconds."""
        for number in range(0 if self._is_cold else len(COUNTRIES)):
            self._decide(number, COUNTRIES[number])
        self._report_s, self._reports = 0.0, 0
        spent = []
        due = self._now
        at = 0
        for number in range(decisions):
            self._now += self._step_s
            while due <= self._now:
                self._report(self._names[at % len(self._names)])
                at += 1
                due += _REPORT_S / len(self._names)
            spent.append(self._decide(number))
        spent.sort()
        mean = sum(spent) / len(spent)
        figures = mean, spent[len(spent) // 2], spent[int(0.99 * len(spent))]
        return (*(1e6 * each for each in figures), 1e6 * self._report_s / max(self._reports, 1))  # type: ignore[return-value]

    def _decide(self, number: int, country: str = "") -> float:
        drawn = self._drawn
        if self._is_cold and number % len(COUNTRIES) == 0:
            self._chooser.use(self._table)
        if not country:
            country = COUNTRIES[number % 240 if self._is_cold else drawn.randrange(240)]
        facts = Facts(
            f"{drawn.getrandbits(128):032x}",
            1 + self._tried,
            country,
            Lane.STANDARD,
            self._routing,
            sender="YIZHAN",
            text="Your parcel leaves customs today.",
        )
        tried = tuple(drawn.sample(self._names, self._tried))
        began = time.thread_time()
        self._chooser.choose(facts, self._now, tried)
        return time.thread_time() - began

    def _report(self, name: str) -> None:
        counts, drawn = self._counts[name], self._drawn
        is_bad = name in self._broken
        if self._moving and drawn.random() < 10 / 800:
            is_bad = True
        for country in drawn.sample(COUNTRIES, REPORTED):
            before = counts.get(country, CountryOutcomes())
            counts[country] = CountryOutcomes(
                submitted=before.submitted + (0 if is_bad else 3),
                failed=before.failed + (3 if is_bad else 0),
                latency_ms_sum=before.latency_ms_sum + 200,
            )
        report = ChannelReported(
            channel=name,
            instance="i",
            incarnation="x",
            bound=True,
            window_free=100,
            backlog=drawn.randrange(100),
            countries=counts,
            reported_at=EPOCH + timedelta(seconds=self._now),
        )
        began = time.thread_time()
        if self._now - self._advanced_at >= ADVANCE_S:
            self._advanced_at = self._now
            self._health.advance(self._now)
        self._health.channel_reported(report, self._now)
        self._report_s += time.thread_time() - began
        self._reports += 1


if __name__ == "__main__":
    raise SystemExit(main())
