"""``python -m yizhan_cli`` and the command ``yizhan``."""

import sys

from yizhan_cli.errors import CliError
from yizhan_cli.main import app


def main() -> None:
    """Run the command; say errors in a sentence and leave with their exit code."""
    try:
        app()
    except CliError as error:
        print(f"yizhan: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
