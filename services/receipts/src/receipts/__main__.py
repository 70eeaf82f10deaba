"""Run receipts: ``python -m receipts``; ``openapi`` writes what its API is."""

import sys

from receipts.app import build
from receipts.describing import describe
from yizhan_runtime import run


def main() -> None:
    """Do what the command line names."""
    if sys.argv[1:] == ["openapi"]:
        sys.stdout.write(describe())
    elif sys.argv[1:]:
        sys.stderr.write("usage: python -m receipts [openapi]\n")
        raise SystemExit(2)
    else:
        run(build)


if __name__ == "__main__":
    main()
