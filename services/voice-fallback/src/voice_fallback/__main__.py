"""``python -m voice_fallback``."""

from voice_fallback.app import build
from yizhan_runtime.service import run

if __name__ == "__main__":
    run(build)
