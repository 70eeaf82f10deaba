"""What a process has spent: CPU seconds and bytes written, from /proc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """CPU seconds and bytes handed to the disk, since a process began."""

    cpu_s: float
    written: int

    def __sub__(self, earlier: "Spent") -> "Spent":
        return Spent(self.cpu_s - earlier.cpu_s, self.written - earlier.written)


def spent_by(pid: int) -> Spent:
    """Read /proc/PID/stat (fields 14 and 15: ticks of user and system time) and /proc/PID/io."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    written = 0
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            written = int(line.split()[1])
    return Spent(ticks / _TICKS, written)


def spent_by_all(pids: Mapping[str, int]) -> dict[str, Spent]:
    """Read all, leaving out what has ended."""
    found = {}
    for name, pid in pids.items():
        try:
            found[name] = spent_by(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
