"""What the demo says: live progress, the table, two stories."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from yizhan_contracts.events import Status
from yizhan_demo.conservation import Verdict
from yizhan_demo.morning import Morning, Outcome


def progress_line(morning: Morning) -> str:
    """Say in one line how far everything is."""
    accepted = morning.watch.accepted
    broken = f" | {morning.broken} is down" if morning.broken else ""
    return (
        f"{morning.phase}: {morning.published_total} events out, "
        f"{len(morning.watch.answers)} answered, "
        f"{len(accepted)} messages accepted, {morning.handed} taken by carriers, "
        f"{len(morning.watch.settled)} settled, {morning.pushed} pushed{broken}"
    )


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print the table, and whether conservation holds."""
    morning = outcome.morning
    console.print(_events_table(morning))
    console.print(_messages_table(outcome))
    console.print(_carriers_table(outcome))
    console.print(_latency_line(outcome))
    console.print(_divert_line(morning))
    _print_verdict(console, outcome.verdict, outcome)


def _events_table(morning: Morning) -> Table:
    table = Table(title="Shipment events, as upstream was answered", title_justify="left")
    for column in ("answer", "code", "events"):
        table.add_column(column, justify="right" if column == "events" else "left")
    counts = Counter(
        (a.answer.value, "duplicate" if a.duplicate else a.code) for a in morning.watch.answers
    )
    for (answer, code), count in sorted(counts.items()):
        table.add_row(answer, code or "-", str(count))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(morning.published.items()))
    table.caption = f"published: {kinds}"
    table.caption_justify = "left"
    return table


def _messages_table(outcome: Outcome) -> Table:
    watch = outcome.morning.watch
    final = {message: said[-1] for message, said in watch.settled.items()}
    table = Table(title="Messages", title_justify="left")
    table.add_column("what became of them")
    table.add_column("messages", justify="right")
    table.add_column("why", overflow="fold")
    table.add_row("accepted", str(len(watch.accepted)), "")
    for status in Status:
        mine = [event for event in final.values() if event.status is status]
        if not mine:
            continue
        reasons = Counter(event.reason.value or "-" for event in mine)
        vias = Counter(event.via.value for event in mine if event.via)
        said = vias if status is Status.DELIVERED else reasons
        table.add_row(f"settled {status}", str(len(mine)), _listed(said))
    table.add_row("settled", str(len(final)), "")
    table.add_row(
        "failed over",
        str(len(_failed_over(outcome))),
        "handed to a second channel, or planned anew",
    )
    table.add_row(
        "called", str(len(_calls_by_ref(outcome.calls))), _listed(_call_outcomes(outcome))
    )
    table.add_row(
        "duplicates dropped",
        str(sum(a.duplicate for a in watch.answers)),
        "answered with the first ids",
    )
    table.add_row(
        "attempts in doubt", str(len(watch.in_doubt)), "sent and never answered: counted apart"
    )
    return table


def _carriers_table(outcome: Outcome) -> Table:
    table = Table(title="Counted at the carriers' end", title_justify="left")
    table.add_column("carrier")
    table.add_column("messages taken", justify="right")
    counts = Counter(carrier for story in outcome.hand_overs.values() for carrier, _ in story)
    for carrier, count in counts.most_common():
        table.add_row(
            carrier + (" (broken half-way)" if carrier == outcome.morning.broken else ""),
            str(count),
        )
    return table


def _latency_line(outcome: Outcome) -> str:
    if not outcome.latencies_s:
        return "No message reached a carrier."
    p50, p99 = (_quantile(outcome.latencies_s, q) * 1000 for q in (0.5, 0.99))
    return (
        "From upstream's publish to the carrier's door: "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(outcome.latencies_s)} messages)."
    )


def _divert_line(morning: Morning) -> str:
    seconds, sent = morning.diverted_after_s()
    if seconds is None:
        return f"{morning.broken} went down; the router never had to plan around it."
    return (
        f"{morning.broken} went down half-way; {seconds:.2f} s later the router planned around it, "
        f"having planned {sent} more attempts for it."
    )


def _print_verdict(console: Console, verdict: Verdict, outcome: Outcome) -> None:
    accepted, settled = len(outcome.morning.watch.accepted), len(outcome.morning.watch.settled)
    console.print()
    if verdict.holds:
        console.print(
            f"[bold green]Conservation holds:[/] accepted {accepted} = settled {settled} = "
            f"pushed {len(outcome.pushes)}; nothing lost, no attempt taken twice, "
            "no handset reached twice."
        )
        return
    console.print(f"[bold red]Conservation is broken[/]: accepted {accepted}, settled {settled}.")
    for name, found in vars(verdict).items():
        if found:
            console.print(f"  {name}: {found if isinstance(found, int) else ', '.join(found[:10])}")


def failed_over_message(outcome: Outcome) -> str | None:
    """Choose a message that a second channel delivered."""
    final = outcome.morning.watch.settled
    good = (m for m in _failed_over(outcome) if final[m][-1].status is Status.DELIVERED)
    return next(good, None) or next(iter(_failed_over(outcome)), None)


def called_message(outcome: Outcome) -> str | None:
    """Choose a message that was read out in a call, if one was."""
    settled = outcome.morning.watch.settled
    voiced = [message for message, said in settled.items() if said[-1].via == "voice"]
    called = [ref.rpartition("-")[0] for ref in _calls_by_ref(outcome.calls)]
    return next(iter([*voiced, *called]), None)


def print_story(console: Console, title: str, story: Mapping[str, Any] | None) -> None:
    """Print a message's story as the receipts service tells it."""
    console.print(f"\n[bold]{title}[/]")
    if story is None:
        console.print("  (none in this run)")
        return
    told = {name: value for name, value in story.items() if not isinstance(value, list | dict)}
    console.print(f"  {_told(told)}", highlight=False)
    for fact in next((value for value in story.values() if isinstance(value, list)), []):
        decision = fact.get("decision") or {}
        said = {name: value for name, value in fact.items() if name not in _SAID_APART}
        at = str(fact.get("at", ""))[11:23]
        console.print(f"  {at:12} {fact.get('what', ''):14} {_told(said)}", highlight=False)
        for candidate in decision.get("candidates", []):
            console.print(f"  {'':27} candidate {_told(candidate)}", highlight=False, style="dim")


_SAID_APART = {"at", "what", "decision", "claimed_at", "received_at", "carrier_time", "wait_until"}


def _told(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in said.items() if value not in ("", None))


def _failed_over(outcome: Outcome) -> list[str]:
    return [
        message for message, said in outcome.morning.watch.settled.items() if said[-1].attempts > 1
    ]


def _calls_by_ref(calls: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = calls.get("by_ref", {})
    return found


def _call_outcomes(outcome: Outcome) -> Counter[str]:
    return Counter(
        str(call.get("final") or call.get("outcome"))
        for rings in _calls_by_ref(outcome.calls).values()
        for call in rings
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1])
    )


def _quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
