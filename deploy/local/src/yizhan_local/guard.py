"""Starts a program so that it either dies with its parent or outlives it; run as a script.

    guard.py bound PARENT_PID COMMAND...    becomes COMMAND, killed when the parent dies
    guard.py free LOG_FILE COMMAND...       starts COMMAND in a session of its own, prints its pid

A wrapper and not `preexec_fn`, which may deadlock in a process with threads. Standard library only:
it runs with `python -I -S`, in some 15 ms.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
OPEN_FILES = 65_536
"""Kafka holds three files for each segment, mongod one for each collection and index."""


def raise_file_limit() -> None:
    """Let the program open many files, as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bound(parent_pid: int, command: list[str]) -> None:
    """Replace this process by the command, which the kernel kills when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent died before the request above could see it
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606


def free(log: Path, command: list[str]) -> None:
    """Start the command without a parent: who started it may end, and never has to reap it."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    print(process.pid)
    process.returncode = 0  # not ours to wait for


if __name__ == "__main__":
    mode, argument, *rest = sys.argv[1:]
    raise_file_limit()
    if mode == "bound":
        bound(int(argument), rest)
    else:
        free(Path(argument), rest)
