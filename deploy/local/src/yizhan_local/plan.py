"""What a stack consists of: instances, ports, logs, commands, environments. Starts nothing."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from yizhan_local.errors import StackError
from yizhan_local.process import free_port
from yizhan_local.services import DRAWN, PROGRAMS, REFERENCES, Programs, Service

Settings = Mapping[str, str]


class Plan:
    """The instances of one stack. Ports are drawn here and stay, also over restarts.

    A setting is looked for in the overrides (of the instance, its service, "*"), then in this
    process's environment, then in the table of services.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        namespace: str = "",
        instances: Mapping[str, int] | None = None,
        only: Iterable[str] | None = None,
        overrides: Mapping[str, Settings] | None = None,
        programs: Programs = PROGRAMS,
    ) -> None:
        self.work_dir = work_dir
        self.config = work_dir / "config"
        self.namespace = namespace
        self._overrides = overrides or {}
        self._programs = programs
        self._services = _instances(programs, instances or {}, only)
        self._ports = {name: free_port() for name in self._services}
        self._smpp_port = free_port()
        for key in self._overrides:
            if key != "*":
                self.resolve(key)

    @property
    def names(self) -> list[str]:
        """Return all instances, simulators first."""
        return list(self._services)

    @property
    def simulators(self) -> str:
        """Return the name of the simulators."""
        return self._programs.simulators.name

    def resolve(self, name: str) -> str:
        """Return the instance of that name, or the first one of the service of that name."""
        if name in self._services:
            return name
        for instance, service in self._services.items():
            if service.name == name:
                return instance
        raise StackError(f"no {name} here; there are {', '.join(self._services)}")

    def service(self, name: str) -> Service:
        """Return what an instance is an instance of."""
        return self._services[self.resolve(name)]

    def url(self, name: str) -> str:
        """Return the address of an instance, or of the first one of a service."""
        return f"http://127.0.0.1:{self._ports[self.resolve(name)]}"

    @property
    def smpp_url(self) -> str:
        """Return the address where the simulated carriers take binds."""
        return f"smpp://127.0.0.1:{self._smpp_port}"

    def log(self, name: str) -> Path:
        """Return the log file of an instance."""
        return self.work_dir / "logs" / f"{self.resolve(name)}.log"

    def command(self, name: str) -> list[str]:
        """Return the command of an instance."""
        service = self.service(name)
        arguments = [self._fill(argument, name) for argument in service.arguments]
        return [sys.executable, "-m", service.module, *arguments]

    def environment(self, name: str, common: Settings, secrets: Settings) -> dict[str, str]:
        """Return the environment of an instance; `common` is what all are told: addresses."""
        service = self.service(name)
        own = {
            "YIZHAN_NAMESPACE": self.namespace,
            "YIZHAN_HTTP_HOST": "127.0.0.1",
            "YIZHAN_HTTP_PORT": str(self._ports[name]),
            # A static member of its consumer groups: back at work 2 s after a kill -9, not 10 s.
            "YIZHAN_INSTANCE": name,
        }
        given = [self._overrides.get(key, {}) for key in ("*", service.name, name)]
        settings = {**service.settings, **_inherited(), **common, **own}
        for override in given:
            settings |= override
        filled = {key: self._fill(value, name) for key, value in settings.items()}
        handed = {key: secret for key, secret in secrets.items() if key.startswith(service.secrets)}
        return _outer() | filled | handed

    def provision_command(self) -> list[str]:
        """Return the command that creates the topics."""
        return [sys.executable, "-m", *self._programs.provision]

    def provision_environment(self, common: Settings) -> dict[str, str]:
        """Return the environment of the command that creates the topics."""
        settings = self._programs.provision_settings.items()
        own = {key: self._fill(value, self.simulators) for key, value in settings}
        return _outer() | own | _inherited() | dict(common) | {"YIZHAN_NAMESPACE": self.namespace}

    def _fill(self, template: str, name: str) -> str:
        if "$" not in template:
            return template
        first = {f"{one.name.replace('-', '_')}_url": one.name for one in self._services.values()}
        values = {placeholder: self.url(service) for placeholder, service in first.items()}
        values |= {"config": str(self.config), "work": str(self.work_dir)}
        values |= {"url": self.url(name), "port": str(self._ports[name])}
        values["smpp_port"] = str(self._smpp_port)
        return Template(template).safe_substitute(values)


def _instances(
    programs: Programs, counts: Mapping[str, int], only: Iterable[str] | None
) -> dict[str, Service]:
    known = {service.name: service for service in programs.services}
    wanted = list(known) if only is None else list(only)
    unknown = {*wanted, *counts} - set(known)
    if unknown:
        raise StackError(
            f"no such service: {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        )
    instances = {programs.simulators.name: programs.simulators}
    for name in (name for name in known if name in wanted):
        count = counts.get(name, 1)
        instances |= {
            name if count == 1 else f"{name}-{number + 1}": known[name] for number in range(count)
        }
    return instances


def _outer() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("YIZHAN_")}


def _inherited() -> dict[str, str]:
    """Our own variables pass from this process to all; secrets only to whom they concern."""
    return {
        key: value
        for key, value in os.environ.items()
        if key.startswith("YIZHAN_") and not key.startswith((REFERENCES, *DRAWN))
    }
