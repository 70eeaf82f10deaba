"""``python -m carrier_adapter``."""

from carrier_adapter.app import build
from yizhan_runtime.service import run

if __name__ == "__main__":
    run(build)
