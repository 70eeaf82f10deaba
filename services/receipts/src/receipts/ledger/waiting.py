"""The file that says how long receipts are waited for, and when a channel's are missing (YAML).

    deadlines:
      default_s: 14400
      countries: { CN: 3600 }
    missing_feeds: { missing_below: 0.5, longest_s: 14400 }

It is checked whole at the start.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from receipts.ledger.deadlines import Deadlines
from receipts.ledger.silence import FeedTerms
from yizhan_runtime import Misconfigured
from yizhan_runtime.records import describe


class Waiting(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadlines: Deadlines = Deadlines()
    missing_feeds: FeedTerms = FeedTerms()


def load_waiting(path: Path | None) -> Waiting:
    """Read the file; without one the defaults hold. Raises Misconfigured, naming what is wrong."""
    if path is None:
        return Waiting()
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"YIZHAN_RECEIPTS_WAITING_FILE: {path} cannot be read: {type(error).__name__}"
        ) from error
    try:
        return Waiting.model_validate(found or {})
    except ValidationError as error:
        raise Misconfigured(f"{path}: {describe(error)}") from error
