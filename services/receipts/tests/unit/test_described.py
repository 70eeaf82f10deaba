"""The OpenAPI document in docs is the one that a process gives, and it is true."""

from pathlib import Path

import yaml

from receipts.describing import describe

FILE = Path(__file__).parents[4] / "docs/openapi/receipts.yaml"


def test_the_document_is_current() -> None:
    assert describe() == FILE.read_text(encoding="utf-8"), "run: make openapi"


def test_every_route_says_what_lets_in_and_what_a_refusal_looks_like() -> None:
    document = yaml.safe_load(describe())
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) >= 7
    for operation in operations:
        assert operation["security"] == [{"token": []}]
        assert "authorization" not in {one["name"] for one in operation.get("parameters", ())}
        assert {"401", "403", "422", "503"} <= operation["responses"].keys()
    assert "HTTPValidationError" not in document["components"]["schemas"]
