"""python -m yizhan_simulators: carriers, voice providers and customers on one port."""

import argparse
import asyncio
import gc
import json
import signal
import ssl
import sys
from pathlib import Path

import uvloop

from yizhan_simulators.app import PartyKey, Settings, Simulators
from yizhan_simulators.journal import MOST_BYTES
from yizhan_simulators.logs import log_to_stderr
from yizhan_simulators.repeats import KEPT
from yizhan_simulators.revision import Invalid, Problem
from yizhan_simulators.scenario import load_scenario
from yizhan_simulators.smpp.ports import tls_context

_MB = 1024 * 1024
_KINDS = ("carriers", "providers", "customers", "smpp")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yizhan simulate",
        description="Simulated SMS carriers, voice providers and customers over HTTP.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18080, help="0 takes a free one")
    parser.add_argument("--smpp-port", type=int, help="carriers over SMPP; 0 takes a free one")
    parser.add_argument("--smpps-port", type=int, help="the same over TLS; needs the next two")
    parser.add_argument("--tls-cert", type=Path, help="PEM, the chain of the TLS port")
    parser.add_argument("--tls-key", type=Path, help="PEM")
    parser.add_argument("--tls-client-ca", type=Path, help="PEM; clients must show one of its own")
    parser.add_argument("--record-dir", type=Path, help="keep the records here over restarts")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same luck")
    parser.add_argument("--scenario", type=Path, help="YAML timeline of behaviour changes")
    parser.add_argument(
        "--port-of",
        metavar="KIND/NAME=PORT",
        type=_own_port,
        action="append",
        default=[],
        help="a port of its own, refused while down: carriers/alpha=18081, smpp/alpha=2776; 0: any",
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=KEPT,
        help=f"messages a carrier whose story is remembered; older ones are counted ({KEPT})",
    )
    parser.add_argument(
        "--journal-mb",
        type=int,
        default=MOST_BYTES // _MB,
        help=f"room for the records of each kind in --record-dir ({MOST_BYTES // _MB})",
    )
    parser.add_argument(
        "--retry-for-s", type=float, default=900, help="how long receipts are repeated (900)"
    )
    return parser


def _own_port(value: str) -> tuple[PartyKey, int]:
    whose, _, port = value.rpartition("=")
    kind, _, name = whose.partition("/")
    if kind not in _KINDS or not name or not port.isdigit():
        raise argparse.ArgumentTypeError(f"not KIND/NAME=PORT with a kind of {', '.join(_KINDS)}")
    return (kind, name), int(port)


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        host=arguments.host,
        port=arguments.port,
        record_dir=arguments.record_dir,
        seed=arguments.seed,
        steps=load_scenario(arguments.scenario) if arguments.scenario else (),
        own_ports=dict(arguments.port_of),
        retry_for_s=arguments.retry_for_s,
        kept=max(1, arguments.keep),
        smpp_port=arguments.smpp_port,
        smpps_port=arguments.smpps_port,
        tls=_tls(arguments),
        journal_bytes=max(1, arguments.journal_mb) * _MB,
    )


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.smpps_port is None:
        return None
    if arguments.tls_cert is None or arguments.tls_key is None:
        raise Invalid([Problem("--smpps-port", "no certificate", "give --tls-cert and --tls-key")])
    return tls_context(arguments.tls_cert, arguments.tls_key, arguments.tls_client_ca)


async def _run(settings: Settings) -> None:
    simulators = Simulators(settings)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await simulators.start()
    _announce(settings.host, simulators)
    await stopping.wait()
    await simulators.stop()


def _announce(host: str, simulators: Simulators) -> None:
    """Print one line for whoever started this process, and waits for it."""
    own = {f"{kind}/{name}": port for (kind, name), port in simulators.own_ports.items()}
    url = f"http://{host}:{simulators.port}"
    told = {"event": "listening", "url": url, **simulators.smpp_ports, "own_ports": own}
    print(json.dumps(told), flush=True)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    log_to_stderr()
    try:
        settings = _settings(_parser().parse_args())
    except Invalid as invalid:
        print(
            "\n".join(f"{p.field}: {p.problem}. {p.do}" for p in invalid.problems), file=sys.stderr
        )
        return 2
    # Records are many, live long and have no cycles: searching them costs more than it finds.
    gc.set_threshold(50_000, 20, 100)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings))
    except OSError as error:
        print(f"cannot listen or record: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
