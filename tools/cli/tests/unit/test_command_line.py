"""How the command ends: exit codes and sentences, never a traceback."""

import json
import subprocess
import sys

import pytest

from yizhan_cli.errors import Exit


def yizhan(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "yizhan_cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_help_tells_the_exit_codes() -> None:
    done = yizhan("--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_topics_are_listed_without_a_server() -> None:
    done = yizhan("topics", "list", "--channels", "acme-eu", "--namespace", "x1.", "--json")
    listed = {topic["name"]: topic for topic in json.loads(done.stdout)}
    assert listed["x1.attempt.planned.v1.acme-eu.urgent"]["consumers"] == ["carrier-adapter"]
    assert listed["x1.receipts.dlq"]["config"]["cleanup.policy"] == "delete"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("topics", "check", "--kafka-url", "127.0.0.1:1"), Exit.UNAVAILABLE, "does not answer"),
        (("topics", "apply", "--kafka-url", "127.0.0.1:1"), Exit.UNAVAILABLE, "YIZHAN_KAFKA_URL"),
        (("dlq", "list", "router", "--kafka-url", "127.0.0.1:1"), Exit.UNAVAILABLE, "does not"),
        (("dlq", "list", "routr"), Exit.USAGE, "carrier-adapter"),
        (("dlq", "show", "router", "17"), Exit.USAGE, "PARTITION/OFFSET"),
        (("dlq", "replay", "router"), Exit.USAGE, "--all"),
        (("dlq", "replay", "router", "0/1", "--all"), Exit.USAGE, "--all"),
        (("topics", "apply", "--channels", "A_b"), Exit.USAGE, "channel name"),
        (("topics", "apply", "--channels-file", "/nowhere.yaml"), Exit.USAGE, "/nowhere.yaml"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(
    arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    done = yizhan(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_simulate_hands_its_options_to_the_simulators() -> None:
    helped = yizhan("simulate", "--help")
    refused = yizhan("simulate", "--scenario", "/nonexistent.yaml")

    assert "--record-dir" in helped.stdout
    assert (refused.returncode, "nonexistent.yaml" in refused.stderr) == (2, True)
