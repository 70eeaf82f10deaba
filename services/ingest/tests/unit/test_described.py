"""The OpenAPI document in docs is the one that a process gives."""

from pathlib import Path

from ingest.describing import describe

FILE = Path(__file__).parents[4] / "docs/openapi/ingest.yaml"


def test_the_document_is_current() -> None:
    assert describe() == FILE.read_text(encoding="utf-8"), "run: make openapi"
