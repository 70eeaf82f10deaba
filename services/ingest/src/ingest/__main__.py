"""Run ingest: ``python -m ingest [all|api|events]``; ``openapi`` writes what the API is."""

import sys

from ingest.app import ALL, Role, build
from ingest.describing import describe
from yizhan_runtime.service import run

_ROLES = {"all": ALL, **{role.value: frozenset({role}) for role in Role}}


def main() -> None:
    """Run the role that the command line names."""
    asked = sys.argv[1] if len(sys.argv) > 1 else "all"
    if sys.argv[1:] == ["openapi"]:
        sys.stdout.write(describe())
        return
    roles = _ROLES.get(asked)
    if roles is None or len(sys.argv) > 2:  # noqa: PLR2004
        sys.stderr.write(f"usage: python -m ingest [{'|'.join([*_ROLES, 'openapi'])}]\n")
        raise SystemExit(2)
    run(lambda: build(roles=roles))


if __name__ == "__main__":
    main()
