"""Figures that a test wants to be read: printed at the end of the run, whether it passed or not."""

import os

NOTES: list[str] = []


def note(text: str) -> None:
    """Keep a line for the summary, under the name of the test that runs."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].partition(" ")[0]
    NOTES.append(f"{test}: {text}")
