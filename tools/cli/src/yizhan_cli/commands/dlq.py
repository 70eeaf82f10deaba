"""yizhan dlq: what services set aside, why, and putting it back."""

import base64
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yizhan_cli.errors import NotReplayed, UsageError
from yizhan_cli.options import AsJson, KafkaUrl, Namespace, TimeoutS
from yizhan_cli.output import say, show_json, show_table
from yizhan_cli.settings import KafkaSettings, kafka_settings

if TYPE_CHECKING:
    from yizhan_cli.dead_letters import DeadLetter, DeadLetterQueue, Headers, Outcome

app = typer.Typer(no_args_is_help=True, help="Look at dead letters, and put them back.")

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Whose DLQ: receipts, ...")]
_YES = {True: "yes", False: "no"}
_PLACE = re.compile(r"(\d+)/(\d+)")


@app.command("list")
def list_(
    service: ServiceName,
    *,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    newest: Annotated[
        int, typer.Option(min=1, help="Look at so many of each partition, the newest.")
    ] = 10_000,
    rows: Annotated[int, typer.Option(min=0, help="Show so many of them one by one.")] = 20,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 60.0,
) -> None:
    """Count dead letters by reason and origin, and name the newest. Shows no values."""
    from yizhan_cli import kafka

    settings = _settings(service, kafka_url, namespace)
    found = kafka.run(_listed(settings, service, newest), settings, timeout_s)
    if as_json:
        show_json(found)
        return
    _show_list(found, rows)


@app.command()
def show(
    service: ServiceName,
    place: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="As listed.")],
    *,
    reveal: Annotated[
        bool, typer.Option(help="Show key, value and headers too: they may hold personal data.")
    ] = False,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 30.0,
) -> None:
    """Show one dead letter."""
    from yizhan_cli import kafka

    settings = _settings(service, kafka_url, namespace)
    letter = kafka.run(_found(settings, service, _places([place])), settings, timeout_s)[0]
    described = _described(letter) | (_revealed(letter) if reveal else _sizes(letter))
    if as_json:
        show_json(described)
        return
    show_table(("", ""), [(name, value) for name, value in described.items()])
    if not reveal:
        say("Key, value and headers may hold personal data: --reveal shows them.")


@app.command()
def replay(
    service: ServiceName,
    places: Annotated[
        list[str] | None, typer.Argument(metavar="[PARTITION/OFFSET]...", help="Which ones.")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")] = False,
    reason: Annotated[str, typer.Option(help="With --all: only those set aside for it.")] = "",
    again: Annotated[bool, typer.Option(help="Also those that were replayed before.")] = False,
    kafka_url: KafkaUrl = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    timeout_s: TimeoutS = 600.0,
) -> None:
    """Put dead letters back where they stood: original bytes, key, headers and partition.

    Remembered in the group SERVICE-dlq-replay, so that --all replays each once. Nothing is deleted.
    Exit code: 0 all are back, 4 no such record, 6 some could not be put back.
    """
    from yizhan_cli import kafka

    if bool(places) == all_:
        raise UsageError("name the records as PARTITION/OFFSET, or say --all")
    settings = _settings(service, kafka_url, namespace)
    work = _replayed(settings, service, _places(places or []), reason, again=again)
    outcomes, skipped = kafka.run(work, settings, timeout_s)
    _report(outcomes, skipped, as_json=as_json)


def _settings(service: str, kafka_url: str | None, namespace: str | None) -> KafkaSettings:
    from yizhan_contracts.topics import Service

    if service not in set(Service):
        raise UsageError(f"unknown service {service!r}: one of {', '.join(Service)}")
    return kafka_settings(kafka_url, namespace)


def _places(texts: Sequence[str]) -> set[tuple[int, int]]:
    places = set()
    for text in texts:
        match = _PLACE.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no PARTITION/OFFSET, such as 1/42")
        places.add((int(match[1]), int(match[2])))
    return places


async def _listed(settings: KafkaSettings, service: str, newest: int) -> dict[str, Any]:
    from yizhan_cli.dead_letters import dead_letter_queue

    async with dead_letter_queue(settings, service) as queue:
        letters = [letter async for page in queue.read(newest) for letter in page]
        total = sum(extent.end - extent.first for extent in queue.extents.values())
        waits = {one.place: not _is_done(queue, one) for one in letters}
    letters.sort(key=lambda one: (one.timestamp_ms, one.partition, one.offset))
    return {
        "service": service,
        "topic": f"{settings.namespace}{service}.dlq",
        "total": total,
        "looked_at": len(letters),
        "waiting": sum(waits.values()),
        "groups": _groups(letters, waits),
        "records": [_described(one) | {"waiting": waits[one.place]} for one in letters],
    }


def _groups(letters: "Sequence[DeadLetter]", waits: dict[str, bool]) -> list[dict[str, Any]]:
    def group(letter: "DeadLetter") -> tuple[str, str]:
        return letter.reason, letter.origin.topic if letter.origin else "?"

    counts = Counter(map(group, letters))
    waiting = Counter(group(letter) for letter in letters if waits[letter.place])
    newest = {group(letter): letter.timestamp_ms for letter in letters}
    return [
        {
            "reason": reason,
            "origin": topic,
            "count": count,
            "waiting": waiting[reason, topic],
            "newest": _moment(newest[reason, topic]),
        }
        for (reason, topic), count in counts.most_common()
    ]


async def _found(
    settings: KafkaSettings, service: str, places: set[tuple[int, int]]
) -> "list[DeadLetter]":
    from yizhan_cli.dead_letters import dead_letter_queue

    async with dead_letter_queue(settings, service) as queue:
        return await queue.find(places)


async def _replayed(
    settings: KafkaSettings, service: str, places: set[tuple[int, int]], reason: str, *, again: bool
) -> "tuple[list[Outcome], int]":
    from yizhan_cli.dead_letters import dead_letter_queue, replay, replay_producer

    outcomes: list[Outcome] = []
    skipped = 0
    async with dead_letter_queue(settings, service) as queue, replay_producer(settings) as producer:
        async for page in _pages(queue, places):
            wanted = [one for one in page if not reason or one.reason == reason]
            fresh = [one for one in wanted if again or not _is_done(queue, one)]
            skipped += len(wanted) - len(fresh)
            done = await replay(settings, fresh, producer)
            await queue.remember([one.letter for one in done if not one.problem])
            outcomes += done
    return outcomes, skipped


async def _pages(queue: "DeadLetterQueue", places: set[tuple[int, int]]) -> Any:  # noqa: ANN401
    if places:
        yield await queue.find(places)
        return
    async for page in queue.read():
        yield page


def _is_done(queue: "DeadLetterQueue", letter: "DeadLetter") -> bool:
    return letter.offset in queue.extents[letter.partition].replayed


def _report(outcomes: "Sequence[Outcome]", skipped: int, *, as_json: bool) -> None:
    failed = [one for one in outcomes if one.problem]
    if as_json:
        show_json(
            {
                "replayed": len(outcomes) - len(failed),
                "skipped": skipped,
                "failed": [{"place": one.letter.place, "problem": one.problem} for one in failed],
            }
        )
    else:
        typer.echo(f"{len(outcomes) - len(failed)} replayed, {skipped} had been replayed before")
        for one in failed:
            say(f"{one.letter.place}: {one.problem}")
    if failed:
        raise NotReplayed(f"{len(failed)} could not be put back")


def _show_list(found: dict[str, Any], rows: int) -> None:
    if found["groups"]:
        show_table(
            ("reason", "origin", "count", "not replayed", "newest"),
            [tuple(group.values()) for group in found["groups"]],
        )
        names = ("place", "at", "reason", "origin", "attempts", "error")
        newest = found["records"][-rows:] if rows else []
        rows_of = [[*(one[name] for name in names), _YES[not one["waiting"]]] for one in newest]
        show_table((*names, "replayed"), rows_of)
    typer.echo(
        f"{found['total']} in {found['topic']}, {found['looked_at']} looked at, "
        f"{found['waiting']} of them not replayed"
    )


def _described(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "place": letter.place,
        "at": _moment(letter.timestamp_ms),
        "reason": letter.reason,
        "origin": str(letter.origin or "?"),
        "attempts": letter.attempts,
        "error": letter.error,
        "bytes": len(letter.value or b""),
    }


def _sizes(letter: "DeadLetter") -> dict[str, Any]:
    names = ", ".join(name for name, _ in letter.original_headers)
    return {"key_bytes": len(letter.key or b""), "header_names": names}


def _revealed(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "key": _text(letter.key),
        "headers": _header_texts(letter.original_headers),
        "value": _text(letter.value),
    }


def _header_texts(headers: "Headers") -> list[str]:
    return [f"{name}: {_text(value)}" for name, value in headers]


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"


def _moment(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
