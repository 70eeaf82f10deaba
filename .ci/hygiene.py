"""Checks for pre-commit that need no tool: whitespace, and keys or passwords in files.

    hygiene.py whitespace FILE...    repairs; exit code 1 if it had to
    hygiene.py secrets FILE...       exit code 1 if a line looks like a secret

A line that only looks like one says so: `not-a-secret`.
"""

import re
import sys
from pathlib import Path

SECRETS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "password in an address": re.compile(r"://[^\s/:@{$<]+:[^\s/@{$<]+@"),
    "access key": re.compile(r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{36,}|xox[abprs]-[\w-]{10,})"),
    "secret in the clear": re.compile(
        r"""(?i)\b\w*(password|secret|api_?key|token)\w*["']?\s*[:=]\s*["'][\w+/.-]{20,}["']"""
    ),
}
EXCUSE = "not-a-secret"


def main(arguments: list[str]) -> int:
    """Run one check over the files."""
    check, *names = arguments
    if check not in CHECKS:
        sys.exit(__doc__)
    complaints = [line for name in names for line in CHECKS[check](Path(name))]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def repair_whitespace(file: Path) -> list[str]:
    """Drop trailing blanks and give the file one end of line at its end."""
    text = file.read_text()
    lines = [line.rstrip() for line in text.splitlines()]
    clean = "\n".join(lines).rstrip("\n") + "\n" if any(lines) else ""
    if text == clean:
        return []
    file.write_text(clean)
    return [f"{file}: whitespace repaired"]


def find_secrets(file: Path) -> list[str]:
    """Return where something looks like a secret, without showing it."""
    return [
        f"{file}:{number}: looks like a {kind}"
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1)
        for kind, pattern in SECRETS.items()
        if pattern.search(line) and EXCUSE not in line
    ]


CHECKS = {"whitespace": repair_whitespace, "secrets": find_secrets}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
