"""Apache Kafka's jars: fetched once by Maven into `.local`, then shared by all local servers."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from yizhan_local.errors import LocalError, MissingTool
from yizhan_local.files import locked
from yizhan_local.paths import local_dir, resource

KAFKA_VERSION = "4.1.1"
OLDEST_JAVA = 17
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_TIMEOUT_S = 600


def java() -> str:
    """Return the java program of JAVA_HOME, else of the PATH; MissingTool if none or too old."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    if program is None:
        raise MissingTool(f"Kafka needs Java {OLDEST_JAVA} or newer, and no java was found.")
    version = _java_version(program)
    if version < OLDEST_JAVA:
        raise MissingTool(f"Kafka needs Java {OLDEST_JAVA} or newer, and {program} is {version}.")
    return program


def kafka_classpath() -> str:
    """Return the class path of Kafka's jars, fetching them the first time.

    YIZHAN_KAFKA_LIBS names a folder of jars to use instead, such as `libs` of a Kafka distribution.
    """
    given = os.environ.get("YIZHAN_KAFKA_LIBS")
    if given:
        return f"{given}/*"
    libs = local_dir() / "kafka" / f"libs-{KAFKA_VERSION}"
    with locked(libs.parent / "libs.lock"):
        if not libs.exists():
            _fetch(libs)
    return f"{libs}/*"


def _java_version(program: str) -> int:
    said = subprocess.run([program, "-version"], check=False, capture_output=True, text=True).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


def _fetch(libs: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool("Kafka's jars are fetched by Maven, and no mvn was found.")
    with tempfile.TemporaryDirectory(dir=libs.parent) as folder:
        pom = shutil.copy(resource("kafka-pom.xml"), Path(folder) / "pom.xml")
        jars = Path(folder) / "libs"
        options = ["-B", "-q", "-f", pom, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        done = subprocess.run(
            [maven, *options, COPY_GOAL],
            check=False,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
        )
        if done.returncode:
            reason = (done.stdout + done.stderr)[-2000:]
            raise LocalError(f"Maven could not fetch Kafka {KAFKA_VERSION}:\n{reason}")
        jars.rename(libs)  # whole or not at all
