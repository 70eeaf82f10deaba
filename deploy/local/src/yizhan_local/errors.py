"""What can go wrong with local servers and the local stack.

LocalError
├── MissingTool          Java, Maven or mongod is not there: says the three ways out
├── DidNotStart          a process ended or was not ready in time: carries the end of its log
└── StackError           a wrong name, a wrong configuration, no stack running
"""

from pathlib import Path

TAIL_BYTES = 4096

THREE_WAYS_OUT = """\
There are three ways out:
  1. point Yizhan at servers you have:  YIZHAN_KAFKA_URL=host:9092  YIZHAN_MONGO_URL=mongodb://host
  2. install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jre-headless maven):
     a real Apache Kafka is then fetched and started here, and MongoDB comes with `make install`
  3. have a Docker engine running: containers are then used (YIZHAN_SERVERS=docker)"""


class LocalError(Exception):
    """Anything this package reports to its user; the message is meant to be read by a person."""


class MissingTool(LocalError):
    """A program that is needed to run a server here is missing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\n{THREE_WAYS_OUT}")


class DidNotStart(LocalError):
    """A process ended early or did not become ready in time."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}; the end of {log}:\n{tail(log)}")


class StackError(LocalError):
    """A wrong name or configuration, or no stack where one is needed."""


def tail(log: Path) -> str:
    """Return the last lines of a log file, or a remark that there is none."""
    try:
        data = log.read_bytes()[-TAIL_BYTES:]
    except OSError:
        return "(no log)"
    return data.decode(errors="replace").strip() or "(empty)"
