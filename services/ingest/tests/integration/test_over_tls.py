"""The process itself, over real TLS, asked by curl as old systems ask: XML, a query, signatures.

And what the process says of it: no number, no secret, no address reaches its log.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from xml.etree.ElementTree import fromstring

import pytest
from services.ingest.tests.integration.conftest import Corner
from services.ingest.tests.unit.making import SECRET, US

from yizhan_local.process import free_port

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[4] / "docs/signing.md"
VALUES = {"name": "Zhang-3", "code": "2026001", "subject": "Art", "score": "99"}
XML = f"""<message><to>{US}</to><template>score</template><reference>row-7</reference>
<variables>{"".join(f"<{k}>{v}</{k}>" for k, v in VALUES.items())}</variables></message>"""


class Process:
    """Ingest's API in a process of its own, with a certificate of its own."""

    def __init__(self, corner: Corner, folder: Path) -> None:
        self._corner = corner
        self.certificate, self._key = folder / "cert.pem", folder / "key.pem"
        self.log_file = folder / "ingest.log"
        self.url = f"https://localhost:{free_port()}"

    def environment(self) -> dict[str, str]:
        settings = self._corner.settings
        return {
            **os.environ,
            "YIZHAN_KAFKA_URL": settings.kafka_url,
            "YIZHAN_MONGO_URL": settings.mongo_url.get_secret_value(),
            "YIZHAN_NAMESPACE": settings.namespace,
            "YIZHAN_HTTP_PORT": self.url.rpartition(":")[2],
            "YIZHAN_HTTP_CERT_FILE": str(self.certificate),
            "YIZHAN_HTTP_KEY_FILE": str(self._key),
            "YIZHAN_LOG_LEVEL": "DEBUG",
            "YIZHAN_INGEST_ACCOUNTS_FILE": str(settings.ingest_accounts_file),
            "YIZHAN_INGEST_VAULT_KEYS": "material-of-the-test",
        }

    async def __aenter__(self) -> Self:
        certify(self.certificate, self._key)
        with self.log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ingest",
                "api",
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(30):
            while (await self.curl("/ready", "--fail"))[0]:
                assert self._process.returncode is None, self.log_file.read_text()
                await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def curl(self, path: str, *arguments: str) -> tuple[int, str]:
        command = ["curl", "--silent", "--show-error", "--cacert", str(self.certificate)]
        return await run([*command, self.url + path, *arguments], {})


def certify(certificate: Path, key: Path) -> None:
    """Make a certificate for localhost."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)


async def run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.fixture
async def process(corner: Corner, tmp_path: Path) -> AsyncIterator[Process]:
    # exam-score is what the documentation's examples send.
    accounts = corner.settings.ingest_accounts_file
    named = accounts.read_text(encoding="utf-8").replace("id: score", "id: exam-score", 1)
    accounts.write_text(named.replace("- id: score", "- id: exam-score"), encoding="utf-8")
    async with Process(corner, tmp_path) as started:
        yield started


def examples() -> dict[str, str]:
    found = re.findall(
        r"^```(python|bash)\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return dict(found)


async def test_curl_sends_xml_a_query_and_signed_requests_over_tls(
    corner: Corner, process: Process
) -> None:
    xml = XML.replace(">score<", ">exam-score<")
    bearer = f"Authorization: Bearer send-and-read.{SECRET}"
    _, told = await process.curl(
        "/v1/messages", "-H", "Content-Type: application/xml", "-H", bearer, "--data-raw", xml
    )
    accepted = fromstring(told)
    assert (accepted.tag, accepted.findtext("reference")) == ("accepted", "row-7")

    query = {"to": US, "template": "exam-score", "key": "send-and-read", "secret": SECRET}
    query |= {f"variables[{name}]": value for name, value in VALUES.items()}
    fields = [part for k, v in query.items() for part in ("--data-urlencode", f"{k}={v}")]
    _, told = await process.curl("/v1/send", "-G", *fields)
    assert '"status":"accepted"' in told

    made = await process.curl("/v1/keys", "-H", bearer, "--json", '{"name": "signs"}')
    key, secret = re.findall(r'"(?:key|secret)":"([^"]+)"', made[1])
    environment = {"INGEST": process.url, "KEY": key, "SECRET": secret}
    environment |= {"CURL_CA_BUNDLE": str(process.certificate)}
    environment |= {"SSL_CERT_FILE": str(process.certificate)}
    shown = examples()
    for command in (["bash", "-c", shown["bash"]], [sys.executable, "-c", shown["python"]]):
        code, told = await run(command, environment)
        assert (code, '"status":"accepted"' in told) == (0, True), told

    sent: list[Any] = await corner.messages()
    assert len(sent) == 4
    log = process.log_file.read_text(encoding="utf-8")
    assert "started" in log
    for hidden in (SECRET, secret, US, US[1:], "Zhang-3", "/v1/send", "2026001"):
        assert hidden not in log


async def test_plain_http_is_not_spoken_beside_tls(process: Process) -> None:
    code, _ = await run(["curl", "-s", process.url.replace("https", "http") + "/ready"], {})
    assert code != 0
    bad = await process.curl("/ready", "--tls-max", "1.1")
    assert bad[0] != 0


async def test_a_certificate_that_is_none_is_told(corner: Corner, tmp_path: Path) -> None:
    process = Process(corner, tmp_path)
    process.certificate.write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    code, told = await run([sys.executable, "-m", "ingest", "api"], process.environment())
    assert code == 78
    assert "YIZHAN_HTTP_CERT_FILE" in told
