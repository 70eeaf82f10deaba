"""Stands in for the command that creates topics."""

import os
import sys

sys.exit(os.environ.get("YIZHAN_STUB_TOPICS_FAIL") or 0)
