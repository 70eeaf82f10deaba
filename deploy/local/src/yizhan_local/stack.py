"""The whole stack on one machine: servers, topics, simulators and services.

    with Stack(Path("deploy/config"), tmp_path, servers=servers, namespace="t1.") as stack:
        stack.kill("router")            # kill -9; it comes back by itself
        stack.wait_ready("router")

`stack.json` in the work folder always tells what runs where. It holds keys: only its owner may
read it.
"""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import yaml

from yizhan_local.configuration import load_account, load_secrets, render, secret_names
from yizhan_local.errors import DidNotStart, StackError
from yizhan_local.files import write_atomically
from yizhan_local.plan import Plan, Settings
from yizhan_local.readiness import is_ready, wait_ready
from yizhan_local.servers import Servers, choose_servers
from yizhan_local.services import DRAWN, PROGRAMS, Programs
from yizhan_local.supervised import STOP_TIMEOUT_S, Supervised

READY_TIMEOUT_S = 90.0
PROVISION_TIMEOUT_S = 120


class Stack:
    """Everything that `make up` runs, also for tests: many stacks may share the same servers.

    `overrides` are settings by instance, by service, or for all ("*"). `instances` says how many of
    a service run: two of them are called `router-1` and `router-2`, one is called `router`. `only`
    names the services to run; the simulators always run. Servers that are given must run already
    and are left alone; without, the stack chooses and owns them.
    """

    def __init__(  # noqa: PLR0913 - options, by keyword
        self,
        config_dir: Path,
        work_dir: Path,
        *,
        servers: Servers | None = None,
        namespace: str = "",
        overrides: Mapping[str, Settings] | None = None,
        instances: Mapping[str, int] | None = None,
        only: Iterable[str] | None = None,
        programs: Programs = PROGRAMS,
    ) -> None:
        self.config_dir = config_dir
        self.work_dir = work_dir.resolve()  # the state file is read from anywhere
        self.servers = choose_servers() if servers is None else servers
        self._owns_servers = servers is None
        self.plan = Plan(
            self.work_dir,
            namespace=namespace,
            instances=instances,
            only=only,
            overrides=overrides,
            programs=programs,
        )
        self.account = load_account(self.work_dir / "secrets.json")
        self._running: dict[str, Supervised] = {}
        self._writing = threading.Lock()
        self._status = "starting"
        self._started_at = time.time()

    # What runs where

    @property
    def status(self) -> str:
        """Starting, running or stopping."""
        return self._status

    @property
    def state_file(self) -> Path:
        """The file that tells what runs where."""
        return self.work_dir / "stack.json"

    @property
    def channels_file(self) -> Path:
        """The channel configuration in force; the router reads it again when it changes."""
        router = self._running.get("router") or self._running.get("router-1")
        told = router.env.get("YIZHAN_ROUTER_CHANNELS_FILE") if router else None
        return Path(told) if told else self.plan.config / "channels.yaml"

    @property
    def names(self) -> list[str]:
        """Return all instances, simulators first."""
        return self.plan.names

    @property
    def simulators_url(self) -> str:
        """Address of the simulated carriers, voice provider and customers."""
        return self.url(self.plan.simulators)

    def url(self, name: str) -> str:
        """Return the address of an instance, or of the first one of a service."""
        return self.plan.url(name)

    def log(self, name: str) -> Path:
        """Return the log file of an instance."""
        return self.plan.log(name)

    def pid(self, name: str) -> int | None:
        """Return the pid of an instance, None while it does not run."""
        return self._one(name).pid

    def restarts(self, name: str) -> int:
        """Return how often an instance came back after it had ended by itself or been killed."""
        return self._one(name).restarts

    # From start to stop

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Start all, in order, and wait until every service is ready; stops all if one is not."""
        try:
            self._start(timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the services, then the simulators, then the servers if they are the stack's own."""
        self._status = "stopping"
        simulators = self._running.get(self.plan.simulators)
        services = [one for one in self._running.values() if one is not simulators]
        with ThreadPoolExecutor(max(1, len(services))) as pool:
            list(pool.map(Supervised.stop, services))
        if simulators is not None:
            simulators.stop()
        if self._owns_servers:
            self.servers.stop()
        self.state_file.unlink(missing_ok=True)

    async def astart(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """`start()` for a running event loop."""
        return await asyncio.to_thread(self.start, timeout_s)

    async def astop(self) -> None:
        """`stop()` for a running event loop."""
        await asyncio.to_thread(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await self.astart()

    async def __aexit__(self, *_: object) -> None:
        await self.astop()

    # One instance

    def kill(self, name: str) -> int | None:
        """Kill an instance by SIGKILL; it is started again by itself. Returns the pid that was."""
        return self._one(name).kill()

    def restart(self, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Stop an instance, start it with the present configuration, wait until it is ready."""
        self._one(name).restart()
        self.wait_ready(name, timeout_s=timeout_s)

    def stop_service(self, name: str, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Stop an instance until `start_service`; True if it ended in time by itself."""
        return self._one(name).stop(timeout_s)

    def start_service(self, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start an instance that was stopped, and wait until it is ready."""
        self._one(name).start()
        self.wait_ready(name, timeout_s=timeout_s)

    def signal(self, name: str, number: int) -> None:
        """Send a signal, such as SIGSTOP, to an instance."""
        self._one(name).signal(number)

    def is_ready(self, name: str) -> bool:
        """Tell whether an instance says that it is ready."""
        return is_ready(self.url(name))

    def wait_ready(self, *names: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the instances (default: all that are meant to run) say that they are ready."""
        deadline = time.monotonic() + timeout_s
        for name in names or [name for name, one in self._running.items() if one.is_wanted]:
            left = max(0.0, deadline - time.monotonic())
            url = self.url(name)
            wait_ready(self._one(name), lambda url=url: is_ready(url), left)  # type: ignore[misc]

    # The state file

    def write_state(self) -> None:
        """Write what runs where."""
        with self._writing:
            if self._status != "stopping":
                write_atomically(self.state_file, json.dumps(self.state(), indent=2))

    def state(self) -> dict[str, Any]:
        """Return what a stranger's script needs to drive, kill, restart and re-point any part."""
        services = [name for name in self.names if name != self.plan.simulators]
        return {
            "status": self._status,
            "started_at": self._started_at,
            "supervisor": {"pid": os.getpid()},
            "namespace": self.plan.namespace,
            "kafka_url": self.servers.kafka_url,
            "mongo_url": self.servers.mongo_url,
            "servers": self.servers.details(),
            "simulators": {
                **self._state_of(self.plan.simulators),
                "smpp_url": self.plan.smpp_url,
            },
            "services": {name: self._state_of(name) for name in services},
            "account": {"key": self.account.key, "secret": self.account.secret},
            "config_dir": str(self.plan.config),
            "channels_file": str(self.channels_file),
            "channels": _read_yaml(self.channels_file),
        }

    def _state_of(self, name: str) -> dict[str, Any]:
        where = {
            "service": self.plan.service(name).name,
            "url": self.url(name),
            "log": str(self.log(name)),
        }
        one = self._running.get(name)
        if one is None:
            return where
        told = {key: value for key, value in one.env.items() if key.startswith("YIZHAN_")}
        runs = {"pid": one.pid, "restarts": one.restarts, "command": list(one.command)}
        return {**where, **runs, "env": told}

    # How it starts

    def _start(self, timeout_s: float) -> None:
        if self._owns_servers:
            self.servers.start()
        common = {
            "YIZHAN_KAFKA_URL": self.servers.kafka_url,
            "YIZHAN_MONGO_URL": self.servers.mongo_url,
        }
        secrets = self._configure()
        self._provision(common)
        for name in self.names:
            self._running[name] = self._program(name, common, secrets)
        self._launch([self.plan.simulators], timeout_s)
        services = [name for name in self.names if name != self.plan.simulators]
        waiting = [name for name in services if self.plan.service(name).after]
        self._launch([name for name in services if name not in waiting], timeout_s)
        self._launch(waiting, timeout_s)
        self._status = "running"
        self.write_state()

    def _configure(self) -> dict[str, str]:
        """Render the configuration and return the secrets it refers to."""
        placeholders = {
            "SIMULATORS_URL": self.simulators_url,
            "SIMULATORS_SMPP_URL": self.plan.smpp_url,
            **self.account.placeholders(),
        }
        text = render(self.config_dir, self.plan.config, placeholders)
        names = [*secret_names(text), *DRAWN]
        return load_secrets(self.work_dir / "secrets.json", names, os.environ)

    def _provision(self, common: Settings) -> None:
        log = self.work_dir / "logs" / "topics.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            done = subprocess.run(
                self.plan.provision_command(),
                check=False,
                env=self.plan.provision_environment(common),
                stdout=out,
                stderr=out,
                timeout=PROVISION_TIMEOUT_S,
            )
        if done.returncode:
            raise DidNotStart("the topics could not be created", log)

    def _program(self, name: str, common: Settings, secrets: Settings) -> Supervised:
        return Supervised(
            name,
            self.plan.command(name),
            env=self.plan.environment(name, common, secrets),
            log=self.log(name),
            on_change=self.write_state,
        )

    def _launch(self, names: list[str], timeout_s: float) -> None:
        for name in names:
            self._running[name].start()
        self.wait_ready(*names, timeout_s=timeout_s)

    def _one(self, name: str) -> Supervised:
        instance = self.plan.resolve(name)
        if instance not in self._running:
            raise StackError(f"{instance} was not started")
        return self._running[instance]


def _read_yaml(file: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError):
        return None
