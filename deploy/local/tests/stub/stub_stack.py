"""`yizhan_local` with small programs in place of the services."""

import sys
from dataclasses import replace

from yizhan_local.__main__ import main
from yizhan_local.services import PROGRAMS

STUBBED = replace(
    PROGRAMS,
    simulators=replace(PROGRAMS.simulators, module="stub_program"),
    services=tuple(replace(one, module="stub_program") for one in PROGRAMS.services),
    provision=("stub_topics",),
)

if __name__ == "__main__":
    sys.exit(main(programs=STUBBED))
