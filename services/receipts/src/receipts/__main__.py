"""``python -m receipts``."""

from receipts.app import build
from yizhan_runtime import run

if __name__ == "__main__":
    run(build)
