"""SMPP over TLS: whom we believe, who we are, and what happens when either is wrong."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry

from carrier_adapter.carriers.base import Accepted
from carrier_adapter.carriers.smpp.carrier import SmppCarrier
from carrier_adapter.metrics import AdapterMetrics, SmppMetrics
from yizhan_contracts.events import SmppOptions
from yizhan_runtime.clock import SystemClock

from ..unit.world import configured  # noqa: TID252 - the path has a hyphen
from .smsc import Smsc, smsc
from .test_smpp import Bed, Sink, until

pytestmark = pytest.mark.integration


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        self._certificate = _certificate(subject, subject, self._key, self._key, ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Give files with a certificate for a name, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(_named(name), self._certificate.subject, key, self._key, ca=False)
        certificate_file = self._folder / f"{self._name}-{name}.crt"
        key_file = self._folder / f"{self._name}-{name}.key"
        certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    today = dt.datetime.now(dt.UTC)
    name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(str(name))]), critical=False)
        .sign(signed_by, hashes.SHA256())
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "carrier-ca")


@asynccontextmanager
async def secure_smsc(
    authority: Authority, *, wants: Authority | None = None
) -> AsyncIterator[Smsc]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("smsc.example"))
    if wants is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(wants.file)
    async with smsc(tls=context) as centre:
        yield centre


@asynccontextmanager
async def carrier(
    centre: Smsc, environment: dict[str, str], **smpp: Any
) -> AsyncIterator[tuple[Bed, SmppCarrier]]:
    it = Bed(centre)
    options = SmppOptions.model_validate(
        {"system_id": "yizhan", "server_name": "smsc.example", **smpp}
    )
    url = f"smpps://127.0.0.1:{centre.port}"
    config = configured(protocol="smpp", url=url, submit_timeout_s=5.0, smpp=options)
    it.registry = CollectorRegistry()
    metrics = SmppMetrics(AdapterMetrics(it.registry), "a")
    made = SmppCarrier(config, options, "secret", environment, Sink(), SystemClock(), metrics)
    it.carrier = made
    made.follow(lambda *, is_bound: it.bound.append(is_bound))
    try:
        yield it, made
    finally:
        await made.close()


async def test_a_carrier_that_is_who_it_says_is_bound_to(authority: Authority) -> None:
    environment = {"CA": str(authority.file)}
    async with (
        secure_smsc(authority) as centre,
        carrier(centre, environment, ca_ref="CA") as (it, _made),
    ):
        await until(lambda: it.bound[-1])
        assert await it.submit("hi") == {"hi": Accepted(("1",))}


@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_a_carrier_that_is_not_who_it_says_never_sees_the_password(
    authority: Authority, tmp_path: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path, "other-ca")
    environment = {"CA": str((other if wrong == "authority" else authority).file)}
    name = "bank.example" if wrong == "name" else "smsc.example"
    async with (
        secure_smsc(authority) as centre,
        carrier(centre, environment, ca_ref="CA", server_name=name) as (it, made),
    ):
        await until(lambda: it.metric("yizhan_adapter_bind_failures_total", why="tls") >= 1)
        assert not await made.is_up()
        assert centre.binds == []
    why = next(vars(r)["why"] for r in caplog.records if r.message == "a bind failed")
    assert why.startswith("the certificate is refused: ")


async def test_a_carrier_may_want_a_certificate_of_ours(
    authority: Authority, tmp_path: Path
) -> None:
    ours = Authority(tmp_path, "our-ca")
    certificate, key = map(str, ours.issue("yizhan"))
    environment = {"CA": str(authority.file), "CERTIFICATE": certificate, "KEY": key}
    refs = {"ca_ref": "CA", "certificate_ref": "CERTIFICATE", "key_ref": "KEY"}
    async with secure_smsc(authority, wants=ours) as centre:
        async with carrier(centre, environment, **refs) as (it, _made):
            await until(lambda: it.bound[-1])
        async with carrier(centre, environment, ca_ref="CA") as (it, made):
            await until(
                lambda: (
                    it.metric("yizhan_adapter_bind_failures_total", why="tls")
                    + it.metric("yizhan_adapter_bind_failures_total", why="connection")
                    >= 1
                )
            )
            assert not await made.is_up()
    assert len(centre.binds) == 1


async def test_plain_smpp_where_tls_is_wanted_fails_and_says_so(authority: Authority) -> None:
    environment = {"CA": str(authority.file)}
    async with smsc() as centre, carrier(centre, environment, ca_ref="CA") as (it, made):
        await until(
            lambda: (
                it.metric("yizhan_adapter_bind_failures_total", why="tls")
                + it.metric("yizhan_adapter_bind_failures_total", why="connection")
                >= 1
            )
        )
        assert not await made.is_up()
