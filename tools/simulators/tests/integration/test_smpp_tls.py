"""Binds over TLS, with and without a certificate of the client's."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tools.simulators.tests.esme import Esme

from yizhan_simulators.app import Settings, Simulators
from yizhan_simulators.smpp.ports import tls_context
from yizhan_smpp.errors import ConnectionFailedError
from yizhan_smpp.pdu import Pdu

pytestmark = pytest.mark.integration


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write one that vouches for itself, for either end, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated")])
    today = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return files


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
async def secure(files: tuple[Path, Path]) -> AsyncIterator[Simulators]:
    simulators = Simulators(Settings(smpps_port=0, tls=tls_context(*files, client_ca=files[0])))
    await simulators.start()
    yield simulators
    await simulators.stop()


async def test_a_client_with_its_certificate_binds_and_submits(
    secure: Simulators, files: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(cafile=files[0])
    context.load_cert_chain(*files)
    esme = await Esme(secure.smpp_ports["smpps"]).bind(tls=context)
    reply = await esme.submit()
    await esme.close()

    assert isinstance(reply, Pdu)
    assert reply.is_ok


async def test_a_client_without_one_gets_no_bind(
    secure: Simulators, files: tuple[Path, Path]
) -> None:
    with pytest.raises(ConnectionFailedError):
        await Esme(secure.smpp_ports["smpps"]).bind(tls=ssl.create_default_context(cafile=files[0]))
