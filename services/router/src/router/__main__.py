"""Run the router: ``python -m router``."""

from router.app import build
from yizhan_runtime.service import run

if __name__ == "__main__":
    run(build)
