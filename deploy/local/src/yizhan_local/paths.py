"""Where things are: the repository and its `.local` folder."""

import os
from pathlib import Path


def repository() -> Path:
    """Return the root of the work tree; this package is always installed from it, editable."""
    return Path(__file__).resolve().parents[4]


def local_dir() -> Path:
    """Return the folder for data, logs and state: `.local`, or YIZHAN_LOCAL_DIR."""
    return Path(os.environ.get("YIZHAN_LOCAL_DIR") or repository() / ".local").resolve()


def resource(name: str) -> Path:
    """Return a file that ships with this package."""
    return Path(__file__).parent / "resources" / name
