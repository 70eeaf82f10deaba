from pathlib import Path

import pytest

from yizhan_local import containers, jars
from yizhan_local.errors import LocalError, MissingTool, StackError
from yizhan_local.kafka import new_cluster_id
from yizhan_local.process import PORTS, free_port
from yizhan_local.servers import Address, FirstThatStarts, Servers, choose_servers
from yizhan_local.supervised import LONGEST_DELAY_S, delay_s

URLS = {"YIZHAN_KAFKA_URL": "kafka:9092", "YIZHAN_MONGO_URL": "mongodb://mongo"}


def kinds(environ: dict[str, str]) -> tuple[str, str]:
    servers = choose_servers(environ)
    return servers.named("kafka").kind, servers.named("mongo").kind


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "can_serve", lambda _image: False)


@pytest.mark.usefixtures("no_docker")
def test_addresses_come_first_and_each_server_is_chosen_by_itself() -> None:
    assert kinds(URLS) == ("url", "url")
    assert kinds({"YIZHAN_KAFKA_URL": "kafka:9092"}) == ("url", "local")
    assert kinds({}) == ("local", "local")


class Broken(Address):
    def start(self) -> None:
        raise LocalError("the engine is there, and of no use")


def test_way_that_does_not_start_is_followed_by_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = FirstThatStarts(lambda: Broken("broken"), lambda: Address("works"))
    with Servers(server, Address("mongo")) as servers:
        assert servers.kafka_url == "works"
    assert "of no use" in capsys.readouterr().err


def test_server_of_the_last_way_may_fail_the_start() -> None:
    broken = Servers(FirstThatStarts(lambda: Broken("broken")), Address("mongo"))
    with pytest.raises(LocalError, match="of no use"):
        broken.start()


def test_local_can_be_forced_over_addresses() -> None:
    assert kinds({**URLS, "YIZHAN_SERVERS": "local"}) == ("local", "local")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"YIZHAN_SERVERS": "cloud"}, "must be one of url, docker, local"),
        ({"YIZHAN_SERVERS": "url", "YIZHAN_KAFKA_URL": "k:1"}, "needs YIZHAN_KAFKA_URL and"),
    ],
)
def test_wrong_choice_is_refused(environ: dict[str, str], says: str) -> None:
    with pytest.raises(StackError, match=says):
        choose_servers(environ)


def test_missing_java_names_three_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingTool, match="no java was found") as raised:
        jars.java()
    for way in ("YIZHAN_KAFKA_URL", "install Java 17", "Docker engine"):
        assert way in str(raised.value)


def test_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_412\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingTool, match="is 8"):
        jars.java()


def test_missing_maven_names_three_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_LOCAL_DIR", str(tmp_path))
    monkeypatch.delenv("YIZHAN_KAFKA_LIBS", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingTool, match="no mvn was found"):
        jars.kafka_classpath()


def test_cluster_id_never_looks_like_an_option() -> None:
    assert not any(new_cluster_id().startswith("-") for _ in range(1000))


def test_ports_are_below_those_of_outgoing_connections() -> None:
    assert free_port() in PORTS
    assert max(PORTS) < 32768


@pytest.mark.parametrize(
    ("failures", "draw", "pause_s"),
    [(0, 0.0, 0.1), (1, 1.0, 0.2), (3, 1.0, 0.8), (20, 1.0, LONGEST_DELAY_S), (20, 0.0, 5.0)],
)
def test_pause_before_a_restart_grows_to_a_limit(
    failures: int, draw: float, pause_s: float
) -> None:
    assert delay_s(failures, draw) == pytest.approx(pause_s)
