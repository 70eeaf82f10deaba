"""The API's OpenAPI document as a file: the same that a running process gives at /openapi.json."""

import tempfile
from pathlib import Path

import yaml

from ingest.app import Role, build
from ingest.settings import IngestSettings

_ACCOUNTS = """accounts: [{id: nobody, name: Nobody, state: pending, sender: Nobody}]"""


def describe() -> str:
    """Give the document as YAML. Connects to nothing."""
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder) / "accounts.yaml"
        accounts.write_text(_ACCOUNTS, encoding="utf-8")
        settings = IngestSettings(ingest_accounts_file=accounts)
        document = build(settings, roles=[Role.API]).http.openapi()
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
