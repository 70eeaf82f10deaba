"""Snapshots are written, checked, and guarded against changes that nobody could follow."""

import json
from pathlib import Path

import pytest

from yizhan_cli.commands.documents import schemas
from yizhan_cli.errors import NotFound, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    schemas(folder=tmp_path)
    return tmp_path


def test_a_written_snapshot_is_current(folder: Path) -> None:
    schemas(folder=folder, check=True)


def test_a_missing_or_stale_snapshot_is_noticed(folder: Path) -> None:
    file = folder / "hold.changed.v1.json"
    file.write_text(file.read_text() + "\n")
    with pytest.raises(NotFound, match="hold"):
        schemas(folder=folder, check=True)
    file.unlink()
    with pytest.raises(NotFound, match="hold"):
        schemas(folder=folder, check=True)


def test_a_breaking_change_is_not_written(folder: Path) -> None:
    file = folder / "hold.changed.v1.json"
    old = json.loads(file.read_text())
    old["properties"]["until"] = {"type": "string"}
    file.write_text(json.dumps(old))
    with pytest.raises(UsageError, match="until is gone"):
        schemas(folder=folder)
    schemas(folder=folder, allow_breaking=True)
    assert "until" not in json.loads(file.read_text())["properties"]


def test_an_event_that_is_gone_is_a_breaking_change(folder: Path) -> None:
    (folder / "old.event.v1.json").write_text("{}")
    with pytest.raises(UsageError, match="the event is gone"):
        schemas(folder=folder)
    schemas(folder=folder, allow_breaking=True)
    assert not (folder / "old.event.v1.json").exists()
