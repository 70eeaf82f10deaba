"""The API's OpenAPI document as a file: the same that a running process gives at /openapi.json."""

import yaml
from pydantic import SecretStr

from receipts.app import build
from receipts.settings import ReceiptsSettings


def describe() -> str:
    """Give the document as YAML. Connects to nothing."""
    settings = ReceiptsSettings(receipts_endpoints_file=None, internal_token=SecretStr("described"))
    document = build(settings).http.openapi()
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
