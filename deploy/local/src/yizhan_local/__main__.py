"""`python -m yizhan_local`: the stack and its servers from the command line."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yizhan_local import supervisor
from yizhan_local.errors import LocalError, StackError
from yizhan_local.files import read_json
from yizhan_local.paths import local_dir, repository
from yizhan_local.servers import shared_kafka, shared_mongo
from yizhan_local.services import PROGRAMS, Programs
from yizhan_local.stack import Stack


def main(argv: list[str] | None = None, programs: Programs = PROGRAMS) -> int:
    """Run one command; errors are one message and exit code 1."""
    arguments = _parser().parse_args(argv, argparse.Namespace(programs=programs))
    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        command(arguments)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yizhan_local", description=__doc__)
    parser.add_argument("--work", type=Path, default=local_dir(), help="folder for data and logs")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, about in (
        ("up", _up, "start the stack, or say where it runs"),
        ("supervise", _supervise, "run the stack in the foreground"),
    ):
        one = commands.add_parser(name, help=about)
        one.set_defaults(command=run)
        _add_stack_options(one)
    for name, about in (
        ("restart", "stop a part of the stack and start it with the present configuration"),
        ("kill", "kill -9 a part of the stack; it comes back by itself"),
        ("stop", "stop a service until `start`"),
        ("start", "start a service that was stopped"),
    ):
        one = commands.add_parser(name, help=about)
        one.set_defaults(command=_ask, do=name)
        one.add_argument("name", help="such as router, ingest-2, simulators, kafka, mongo")
    _add_others(commands)
    return parser


def _add_stack_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=repository() / "deploy" / "config")
    parser.add_argument("--namespace", default=os.environ.get("YIZHAN_NAMESPACE", ""))
    parser.add_argument(
        "--instances", nargs="*", default=[], metavar="SERVICE=N", help="such as router=2"
    )
    parser.add_argument(
        "--only", nargs="*", metavar="SERVICE", help="these services; the simulators run anyway"
    )


def _add_others(commands: Any) -> None:  # noqa: ANN401 - argparse keeps this type to itself
    down = commands.add_parser("down", help="stop the stack")
    down.set_defaults(command=_down)
    down.add_argument("--servers", action="store_true", help="also stop servers kept running")
    commands.add_parser("status", help="what runs where").set_defaults(command=_status)
    logs = commands.add_parser("logs", help="follow the logs of all, or of one")
    logs.set_defaults(command=_logs)
    logs.add_argument("name", nargs="?")
    servers = commands.add_parser("servers", help="keep Kafka and mongod running without a stack")
    servers.set_defaults(command=_servers)
    servers.add_argument("do", choices=("up", "down"))
    run = commands.add_parser("run", help="python -m MODULE with the addresses of the stack")
    run.set_defaults(command=_run)
    run.add_argument("module")
    run.add_argument("arguments", nargs=argparse.REMAINDER)


def _stack(arguments: argparse.Namespace) -> Stack:
    try:
        instances = {name: int(n) for name, n in (one.split("=") for one in arguments.instances)}
    except ValueError:
        raise StackError("--instances takes SERVICE=N, such as router=2") from None
    return Stack(
        arguments.config,
        arguments.work,
        namespace=arguments.namespace,
        instances=instances,
        only=arguments.only,
        programs=arguments.programs,
    )


def _up(arguments: argparse.Namespace) -> None:
    options = ["--config", str(arguments.config), "--namespace", arguments.namespace]
    if arguments.instances:
        options += ["--instances", *arguments.instances]
    if arguments.only is not None:
        options += ["--only", *arguments.only]
    _show(supervisor.up(arguments.work, options))


def _supervise(arguments: argparse.Namespace) -> None:
    supervisor.supervise(_stack(arguments))


def _ask(arguments: argparse.Namespace) -> None:
    supervisor.ask(arguments.work, {"do": arguments.do, "name": arguments.name})
    print(f"{arguments.do} {arguments.name}: done")


def _down(arguments: argparse.Namespace) -> None:
    print("stopped" if supervisor.down(arguments.work) else "no stack is running")
    if arguments.servers:
        _servers(argparse.Namespace(do="down"))


def _status(arguments: argparse.Namespace) -> None:
    _show(_running_state(arguments.work))


def _logs(arguments: argparse.Namespace) -> None:
    folder = arguments.work / "logs"
    files = sorted(str(file) for file in folder.glob(f"{arguments.name or '*'}.log"))
    if not files:
        raise StackError(f"no such log in {folder}")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606, S607


def _servers(arguments: argparse.Namespace) -> None:
    for server in (shared_kafka(), shared_mongo()):
        if arguments.do == "up":
            server.pin()
            print(f"{server.server.name}: {server.url}")
        else:
            server.unpin()


def _run(arguments: argparse.Namespace) -> None:
    env = dict(os.environ)
    if "YIZHAN_KAFKA_URL" not in env:
        state = _running_state(arguments.work)
        env |= {
            "YIZHAN_KAFKA_URL": state["kafka_url"],
            "YIZHAN_MONGO_URL": state["mongo_url"],
            "YIZHAN_NAMESPACE": state["namespace"],
            "YIZHAN_ROUTER_CHANNELS_FILE": state["channels_file"],
        }
    command = [sys.executable, "-m", arguments.module, *arguments.arguments]
    os.execvpe(command[0], command, env)  # noqa: S606


def _running_state(work: Path) -> dict[str, Any]:
    if supervisor.running(work) is None:
        raise StackError("no stack is running; start one by: make up")
    return read_json(work / "stack.json")


def _show(state: dict[str, Any]) -> None:
    print(f"Kafka       {state['kafka_url']}")
    print(f"MongoDB     {state['mongo_url']}")
    parts = {"simulators": state["simulators"], **state["services"]}
    for name, part in parts.items():
        again = f", restarted {part['restarts']} times" if part["restarts"] else ""
        print(f"{name:<15} {part['url']}  pid {part['pid'] or '-'}{again}")
    print(f"Account     {json.dumps(state['account'])}")
    print(f"Channels    {state['channels_file']}")
    print(f"All of it   {Path(state['config_dir']).parent / 'stack.json'}")


if __name__ == "__main__":
    sys.exit(main())
