"""TLS to an SMSC: whom to believe and who we are, from files that the environment names."""

import ssl
from collections.abc import Mapping

from yizhan_contracts.events import SmppOptions


class TlsError(Exception):
    """The channel's TLS cannot be set up; says which reference is at fault, and no path."""


def context(options: SmppOptions, environment: Mapping[str, str]) -> ssl.SSLContext:
    """Make the context: certificates are always checked, names too. Raises TlsError."""
    ca = _file(options.ca_ref, environment)
    certificate = _file(options.certificate_ref, environment)
    key = _file(options.key_ref, environment)
    try:
        made = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"ca_ref {options.ca_ref}: no certificates can be read") from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        try:
            made.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                f"certificate_ref {options.certificate_ref}: no certificate and key can be read"
            ) from error
    return made


def _file(ref: str, environment: Mapping[str, str]) -> str | None:
    if not ref:
        return None
    if not environment.get(ref):
        raise TlsError(f"{ref} is named for TLS and not set")
    return environment[ref]
