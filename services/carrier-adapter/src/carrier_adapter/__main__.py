"""``python -m carrier_adapter``."""

import gc

from carrier_adapter.app import build
from yizhan_runtime.service import run

if __name__ == "__main__":
    # Events live for a few milliseconds and have no cycles: looking for them by the 700 costs 15 %.
    gc.set_threshold(50_000, 20, 100)
    run(build)
