from pathlib import Path

import pytest

from yizhan_local.errors import StackError
from yizhan_local.plan import Plan

COMMON = {"YIZHAN_KAFKA_URL": "127.0.0.1:9092", "YIZHAN_MONGO_URL": "mongodb://127.0.0.1"}
SECRETS = {"YIZHAN_SECRET_ONE": "s3cret", "YIZHAN_INTERNAL_TOKEN": "t0ken"}


def test_one_instance_has_the_name_of_its_service(tmp_path: Path) -> None:
    names = Plan(tmp_path).names
    assert names[0] == "simulators"
    assert set(names[1:]) == {"ingest", "router", "carrier-adapter", "receipts", "voice-fallback"}


def test_several_instances_are_numbered_and_have_their_own_port_log_and_membership(
    tmp_path: Path,
) -> None:
    plan = Plan(tmp_path, instances={"router": 2}, only=["router"])
    assert plan.names == ["simulators", "router-1", "router-2"]
    assert len({plan.url(name) for name in plan.names}) == 3
    assert plan.log("router-2").name == "router-2.log"
    assert plan.environment("router-2", COMMON, {})["YIZHAN_INSTANCE"] == "router-2"
    assert plan.url("router") == plan.url("router-1")


def test_settings_name_folders_and_addresses(tmp_path: Path) -> None:
    plan = Plan(tmp_path)
    adapter = plan.environment("carrier-adapter", COMMON, SECRETS)
    voice = plan.environment("voice-fallback", COMMON, SECRETS)
    assert adapter["YIZHAN_ADAPTER_CALLBACK_URL"] == plan.url("carrier-adapter")
    assert voice["YIZHAN_VOICE_RECEIPTS_URL"] == plan.url("receipts")
    assert voice["YIZHAN_VOICE_PROVIDERS_FILE"] == f"{tmp_path}/config/voice.yaml"
    port = plan.url("simulators").rpartition(":")[2]
    smpp_port = plan.smpp_url.rpartition(":")[2]
    assert plan.command("simulators")[2:7] == [
        "yizhan_simulators",
        "--port",
        port,
        "--smpp-port",
        smpp_port,
    ]


def test_secrets_go_only_to_those_who_need_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_SECRET_ONE", "of the environment")
    plan = Plan(tmp_path)

    def told(secret: str) -> set[str]:
        return {name for name in plan.names if secret in plan.environment(name, COMMON, SECRETS)}

    references = {"simulators", "carrier-adapter", "voice-fallback", "receipts"}
    assert told("YIZHAN_SECRET_ONE") == references
    shown = {"voice-fallback", "receipts", "ingest", "router"}
    assert told("YIZHAN_INTERNAL_TOKEN") == shown


def test_override_of_instance_beats_service_beats_all_beats_environment_beats_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ABCD":
        monkeypatch.setenv(f"YIZHAN_{name}", "environment")
    overrides = {
        "*": dict.fromkeys(("YIZHAN_A", "YIZHAN_B", "YIZHAN_C"), "all"),
        "router": dict.fromkeys(("YIZHAN_A", "YIZHAN_B"), "service"),
        "router-2": {"YIZHAN_A": "instance"},
    }
    monkeypatch.setenv("YIZHAN_ROUTER_CHANNELS_FILE", "/mine.yaml")
    env = Plan(tmp_path, instances={"router": 2}, overrides=overrides).environment(
        "router-2", COMMON, {}
    )
    found = [env[f"YIZHAN_{name}"] for name in "ABCD"]
    assert found == ["instance", "service", "all", "environment"]
    assert env["YIZHAN_ROUTER_CHANNELS_FILE"] == "/mine.yaml"


def test_topics_are_created_under_the_namespace(tmp_path: Path) -> None:
    env = Plan(tmp_path, namespace="t1.").provision_environment(COMMON)
    assert (env["YIZHAN_NAMESPACE"], env["YIZHAN_KAFKA_URL"]) == ("t1.", "127.0.0.1:9092")
    assert env["YIZHAN_ROUTER_CHANNELS_FILE"] == f"{tmp_path}/config/channels.yaml"


@pytest.mark.parametrize(
    "wrong",
    [
        {"instances": {"rooter": 2}},
        {"only": ["rooter"]},
        {"overrides": {"rooter": {}}},
    ],
)
def test_wrong_names_are_refused_at_once(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(StackError, match="rooter"):
        Plan(tmp_path, **wrong)  # type: ignore[arg-type]
