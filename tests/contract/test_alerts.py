"""The alerts speak of metrics that the services have, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from carrier_adapter.metrics import AdapterMetrics
from receipts.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
_METRIC = re.compile(r"\byizhan_\w+")


def test_alerts_speak_of_metrics_that_there_are() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    AdapterMetrics(registry)
    there = set(registry._names_to_collectors)
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    named = {name for rule in rules for name in _METRIC.findall(rule["expr"])}
    assert named
    assert named <= there
    assert all(rule["annotations"]["action"] for rule in rules)


def test_prometheus_is_told_of_the_alerts() -> None:
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert told["rule_files"] == ["alerts.yml"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed here")
@pytest.mark.parametrize(
    "what", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")]
)
def test_alerts_fire_when_they_should(what: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *what], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
