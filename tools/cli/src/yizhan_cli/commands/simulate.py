"""yizhan simulate: carriers, voice providers and customers, as a program with faults on demand."""

import importlib.util
import os
import sys

import typer

from yizhan_cli.errors import UsageError

PROGRAM = "yizhan_simulators"

# Its options are its own and shown by its own --help.
CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def simulate(context: typer.Context) -> None:
    """Run simulated carriers (HTTP, SMPP), voice providers and customers; --help for options."""
    if importlib.util.find_spec(PROGRAM) is None:
        raise UsageError("The simulators are not installed here: pip install tools/simulators")
    # In place of this process: signals and the exit code are then the simulators' own.
    os.execv(sys.executable, [sys.executable, "-m", PROGRAM, *context.args])  # noqa: S606
