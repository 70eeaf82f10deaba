"""TLS, with certificates of both sides, and SASL, against a real Kafka."""

import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from libs.runtime.tests.corner import Corner
from libs.runtime.tests.support import until
from pydantic import SecretStr

from yizhan_contracts.topics import VOICE_FINISHED, VOICE_REQUESTED, all_topics
from yizhan_local.kafka import KafkaServer
from yizhan_local.process import free_port
from yizhan_runtime import BatchRoute, Outgoing, Parked, RawRecord, Record, RuntimeSettings, Service
from yizhan_runtime.errors import Retryable

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IN, OUT = VOICE_REQUESTED.name, VOICE_FINISHED.name

LISTENERS = r"""
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},\
TLS://127.0.0.1:{tls},SASLTLS://127.0.0.1:{sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},TLS://127.0.0.1:{tls},SASLTLS://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL
listener.name.tls.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.both.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
sasl.enabled.mechanisms=PLAIN
listener.name.sasltls.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_yizhan="open sesame";
"""


class SecureKafka(KafkaServer):
    """A Kafka with a TLS listener that asks for certificates, and one for SASL over TLS."""

    certificates: Path

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        self.tls_port, self.sasl_port = free_port(), free_port()
        with (self.data / "server.properties").open("a") as properties:
            properties.write(
                LISTENERS.format(
                    plain=self._port("port"),
                    controller=self._port("controller_port"),
                    tls=self.tls_port,
                    sasl=self.sasl_port,
                    folder=self.certificates,
                )
            )
        return command


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """A CA for a day, a broker's and a client's certificate by it, and a stranger's."""
    for name in ("ca", "stranger"):
        key, pem = folder / f"{name}.key", folder / f"{name}.pem"
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 1, "-subj", f"/CN={name}"),
            *("-keyout", key, "-out", pem),
        )
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("broker", "client"):
        key, request, pem = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", key, "-out", request),
        )
        openssl(
            *("x509", "-req", "-in", request, "-days", 1, "-extfile", folder / "san"),
            *("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"),
            *("-out", pem),
        )
    both = (folder / "broker.key").read_text() + (folder / "broker.pem").read_text()
    (folder / "broker.both.pem").write_text(both)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    folder = tmp_path_factory.mktemp("secure")
    make_certificates(folder)
    server = SecureKafka(folder / "kafka")
    server.certificates = folder
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def plain(kafka: SecureKafka) -> AsyncIterator[Corner]:
    """The same Kafka through its open door, to look from outside."""
    async with AsyncExitStack() as stack:
        corner = Corner(kafka.url, "mongodb://127.0.0.1:1", "", stack)
        await corner.provision(all_topics(()))
        yield corner


def settings_of(kafka: SecureKafka, kind: str, **more: Any) -> RuntimeSettings:
    files = kafka.certificates
    common: dict[str, Any] = {"kafka_ca_file": files / "ca.pem", "start_timeout_s": 30.0}
    client = {"kafka_cert_file": files / "client.pem", "kafka_key_file": files / "client.key"}
    tls = {"kafka_url": f"127.0.0.1:{kafka.tls_port}", "kafka_security": "SSL"}
    sasl = {
        "kafka_url": f"127.0.0.1:{kafka.sasl_port}",
        "kafka_security": "SASL_SSL",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_username": "yizhan",
        "kafka_password": SecretStr("open sesame"),
    }
    kinds: dict[str, dict[str, Any]] = {
        "tls": {**common, **tls, **client},
        "sasl": {**common, **sasl},
        "tls without a certificate": {**common, **tls},
        "tls of a stranger": {**common, **tls, **client, "kafka_ca_file": files / "stranger.pem"},
        "sasl, wrong password": {**common, **sasl, "kafka_password": SecretStr("no")},
    }
    return RuntimeSettings(**{**kinds[kind], **more})


@pytest.mark.parametrize("kind", ["tls", "sasl"])
async def test_a_service_reads_and_writes(kafka: SecureKafka, plain: Corner, kind: str) -> None:
    seen: list[bytes] = []
    service = Service("voice-fallback", settings_of(kafka, kind))

    async def handle(records: Sequence[Record[bytes]]) -> Iterable[Parked]:
        out = [Outgoing(OUT, b"k", record.event) for record in records]
        await service.publisher.publish_records(out)
        seen.extend(record.event for record in records)
        return ()

    service.consume_batches("voice-fallback", [BatchRoute((IN,), value_of, handle)])
    service.read_table("hold.changed.v1", value_of, lambda *_row: None)
    await service.start()
    try:
        await plain.send(IN, [kind.encode()])
        await until(lambda: kind.encode() in seen)
    finally:
        await service.stop()
    assert kind.encode() in [record.value for record in await plain.read(OUT)]


def value_of(raw: RawRecord) -> bytes:
    return raw.value or b""


@pytest.mark.parametrize(
    "kind", ["tls without a certificate", "tls of a stranger", "sasl, wrong password"]
)
async def test_who_may_not_come_in_does_not_start(kafka: SecureKafka, kind: str) -> None:
    service = Service("voice-fallback", settings_of(kafka, kind, start_timeout_s=1.0))
    service.needs([VOICE_REQUESTED])
    with pytest.raises(Retryable, match="does not answer"):
        await service.start()
    await service.stop()
