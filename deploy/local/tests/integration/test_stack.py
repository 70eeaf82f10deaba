import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.tests.stub.stub_stack import STUBBED
from yizhan_local import supervisor
from yizhan_local.errors import DidNotStart, StackError
from yizhan_local.files import read_json
from yizhan_local.process import ProcessId, wait_until
from yizhan_local.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("stubs")]

STUBS = Path(__file__).parents[1] / "stub"


def asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def end(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("DELETE", "/")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()


@pytest.fixture
def stack(config_dir: Path, tmp_path: Path) -> Iterator[Stack]:
    work, two = tmp_path / "work", {"router": 2}
    with Stack(config_dir, work, namespace="t1.", instances=two, programs=STUBBED) as stack:
        yield stack


def test_state_file_tells_what_runs_where_and_what_it_was_told(stack: Stack) -> None:
    state = read_json(stack.state_file)
    assert state["status"] == "running"
    assert set(state["services"]) == set(stack.names) - {"simulators"}
    for name, one in state["services"].items():
        env = asked(one["url"])["env"]
        assert one["env"].items() <= env.items()
        assert env["YIZHAN_NAMESPACE"] == "t1."
        assert ProcessId.of(one["pid"]).is_alive()
        assert one["pid"] == stack.pid(name)
    assert state["account"] == {"key": stack.account.key, "secret": stack.account.secret}
    assert state["channels"]["channels"][0]["base_url"] == f"{stack.simulators_url}/one"
    assert stack.state_file.stat().st_mode & 0o077 == 0


def test_killed_service_comes_back_on_its_port_and_the_state_file_stays_true(stack: Stack) -> None:
    url, pid = stack.url("router-2"), stack.pid("router-2")
    assert stack.kill("router-2") == pid
    stack.wait_ready("router-2", timeout_s=10)
    assert stack.url("router-2") == url
    again = read_json(stack.state_file)["services"]["router-2"]
    assert (again["restarts"], again["pid"]) == (1, stack.pid("router-2"))
    assert again["pid"] != pid


def test_service_that_ends_by_itself_comes_back(stack: Stack) -> None:
    end(stack.url("ingest"))
    assert wait_until(lambda: stack.restarts("ingest") == 1, 10)
    stack.wait_ready("ingest", timeout_s=10)


def test_restart_is_clean_and_counts_for_nothing(stack: Stack) -> None:
    pid = stack.pid("receipts")
    stack.restart("receipts", timeout_s=10)
    assert stack.pid("receipts") != pid
    assert stack.restarts("receipts") == 0


def test_stopped_service_stays_away_until_started(stack: Stack) -> None:
    assert stack.stop_service("voice-fallback")
    assert stack.pid("voice-fallback") is None
    assert read_json(stack.state_file)["services"]["voice-fallback"]["pid"] is None
    stack.start_service("voice-fallback", timeout_s=10)
    assert stack.is_ready("voice-fallback")


def test_stop_ends_every_process_and_removes_the_state_file(stack: Stack) -> None:
    pids = [stack.pid(name) for name in stack.names]
    processes = [ProcessId.of(pid) for pid in pids if pid]
    stack.stop()
    assert len(processes) == len(stack.names)
    assert not any(process.is_alive() for process in processes)
    assert not stack.state_file.exists()


def test_service_that_keeps_ending_fails_the_start_with_its_log(
    config_dir: Path, tmp_path: Path
) -> None:
    broken = {"router": {"YIZHAN_STUB_FAILS": "yes"}}
    stack = Stack(config_dir, tmp_path / "work", overrides=broken, programs=STUBBED)
    with pytest.raises(DidNotStart, match="as told"):
        stack.start()
    assert not any(stack.pid(name) for name in stack.names)


def test_failed_topics_fail_the_start(
    config_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_STUB_TOPICS_FAIL", "wrong partition count")
    with pytest.raises(DidNotStart, match="wrong partition count"):
        Stack(config_dir, tmp_path / "work", programs=STUBBED).start()


@pytest.fixture
def work(config_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A work folder with a stack under a supervisor of its own."""
    work = tmp_path / "work"
    command = [sys.executable, str(STUBS / "stub_stack.py"), "--work", str(work)]
    process = subprocess.Popen(
        [*command, "supervise", "--config", str(config_dir)], start_new_session=True
    )
    assert wait_until(lambda: read_json(work / "stack.json").get("status") == "running", 30)
    yield work
    process.kill()
    process.wait()


def service_ids(work: Path) -> list[ProcessId]:
    services = read_json(work / "stack.json")["services"].values()
    return [ProcessId.of(one["pid"]) for one in services]


def test_supervisor_restarts_and_kills_what_others_ask_for(work: Path) -> None:
    before = read_json(work / "stack.json")["services"]["router"]["pid"]
    supervisor.ask(work, {"do": "restart", "name": "router"})
    restarted = read_json(work / "stack.json")["services"]["router"]["pid"]
    supervisor.ask(work, {"do": "kill", "name": "router"})
    assert wait_until(
        lambda: read_json(work / "stack.json")["services"]["router"]["restarts"] == 1, 10
    )
    assert (
        len({before, restarted, read_json(work / "stack.json")["services"]["router"]["pid"]}) == 3
    )


def test_supervisor_refuses_what_it_does_not_know(work: Path) -> None:
    with pytest.raises(StackError, match="no rooter here"):
        supervisor.ask(work, {"do": "restart", "name": "rooter"})
    with pytest.raises(StackError, match="not ours"):
        supervisor.ask(work, {"do": "restart", "name": "kafka"})


def test_second_up_finds_the_same_stack(work: Path) -> None:
    first = read_json(work / "stack.json")
    assert supervisor.up(work, [])["services"] == first["services"]


def test_edited_channel_file_shows_in_the_state_file(work: Path) -> None:
    file = Path(read_json(work / "stack.json")["channels_file"])
    file.write_text("channels: []\n")
    assert wait_until(lambda: read_json(work / "stack.json")["channels"] == {"channels": []}, 10)


def test_down_ends_every_process(work: Path) -> None:
    services = service_ids(work)
    assert supervisor.down(work)
    assert not any(service.is_alive() for service in services)
    assert not supervisor.down(work)
    assert not (work / "stack.json").exists()


def test_services_die_with_a_killed_supervisor(work: Path) -> None:
    services = service_ids(work)
    os.kill(read_json(work / "supervisor.json")["pid"], signal.SIGKILL)
    assert wait_until(lambda: not any(service.is_alive() for service in services), 5)
    with pytest.raises(StackError, match="no stack is running"):
        supervisor.ask(work, {"do": "restart", "name": "router"})
