"""Where no customer can be: addresses and ports that a push never connects to.

A callback URL is written by a customer, so it must not lead into our own network (SSRF). What a
name resolves to is checked, address by address, and the connection goes to a checked address.
"""

from collections.abc import Collection
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from yarl import URL

from receipts.errors import ForbiddenAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS: Final = frozenset({80, 443})

# ``is_global`` is not the same in all patch versions of Python: what matters is named here as well.
_FORBIDDEN: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Guard:
    """Decides where a push may go. Networks in ``allow_private`` are let through, any port."""

    def __init__(
        self, allow_private: Collection[Network] = (), allow_ports: Collection[int] = ()
    ) -> None:
        self._allowed = tuple(allow_private)
        self._ports = PORTS | frozenset(allow_ports)

    def check_url(self, url: URL) -> None:
        """Check what can be seen of a URL before its name is resolved. Raises ForbiddenAddress."""
        if url.scheme not in ("http", "https") or not url.host:
            raise ForbiddenAddress("a callback URL begins with https:// or http:// and a host")
        if url.user or url.password:
            raise ForbiddenAddress("a callback URL holds no user name or password")
        address = _literal(url.host)
        if address is not None:
            self._check(address, url.port or 0)

    def check_address(self, text: str, port: int) -> None:
        """Check an address that a name resolved to. Raises ForbiddenAddress."""
        address = _literal(text)
        if address is None:
            raise ForbiddenAddress("the name resolved to something that is no address")
        self._check(address, port)

    def is_allowed_literal(self, url: URL) -> bool:
        """Tell whether a URL names, by its address, a network that operators let through."""
        address = _literal(url.host or "")
        return address is not None and all(
            any(inner in network for network in self._allowed) for inner in _unwrap(address)
        )

    def _check(self, address: Address, port: int) -> None:
        for inner in _unwrap(address):
            if any(inner in network for network in self._allowed):
                continue
            if port not in self._ports:
                raise ForbiddenAddress(f"port {port} is not allowed for callbacks")
            if not inner.is_global or any(inner in network for network in _FORBIDDEN):
                raise ForbiddenAddress("the address is private, local or reserved")


def _literal(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None


def _unwrap(address: Address) -> tuple[Address, ...]:
    """Give the address that a packet ends at: IPv4 hides in several kinds of IPv6 addresses."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    return (address,)
