"""The demo's configuration with the load generator's own channels over it."""

import shutil
from pathlib import Path

CONFIG = Path("deploy/config")


def configuration(work: Path, overlay: Path) -> Path:
    """Lay the bench's own files (wide channels) over those of the demo."""
    source = work / "source"
    for folder in (CONFIG, overlay):
        for file in folder.glob("*.yaml"):
            source.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, source / file.name)
    return source
