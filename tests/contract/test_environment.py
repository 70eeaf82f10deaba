"""The command line reads the environment of the services by hand: it must read the same."""

import re
from pathlib import Path
from typing import get_args

from yizhan_cli import settings as cli
from yizhan_cli.settings import SECURITY, KafkaSettings
from yizhan_runtime.settings import RuntimeSettings

NOT_OF_SERVICES = {"YIZHAN_LOCAL_DIR"}


def test_every_variable_of_the_command_is_one_of_the_services() -> None:
    read = set(re.findall(r'"(YIZHAN_[A-Z_]+)"', Path(cli.__file__).read_text()))
    services = {f"YIZHAN_{name.upper()}" for name in RuntimeSettings.model_fields}
    assert read - NOT_OF_SERVICES <= services
    kafka = {name for name in services if name.startswith("YIZHAN_KAFKA_")}
    assert kafka | {"YIZHAN_NAMESPACE"} <= read


def test_defaults_are_the_same() -> None:
    ours, theirs = KafkaSettings(cli.DEFAULT_KAFKA_URL), RuntimeSettings.model_fields
    assert ours.url == theirs["kafka_url"].default
    assert ours.security == theirs["kafka_security"].default
    assert ours.sasl_mechanism == theirs["kafka_sasl_mechanism"].default


def test_security_protocols_are_the_same() -> None:
    assert get_args(RuntimeSettings.model_fields["kafka_security"].annotation) == SECURITY
