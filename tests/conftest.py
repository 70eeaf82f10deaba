"""What crosses services: figures are printed at the end of a run."""

import pytest

from tests.support.notes import NOTES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests noted."""
    if NOTES:
        terminalreporter.section("figures")
    for line in NOTES:
        terminalreporter.write_line(line)
