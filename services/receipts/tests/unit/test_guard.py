"""The guard: where a push never goes, however the address is written."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from receipts.errors import ForbiddenAddress
from receipts.push.adapters.http import HttpCustomers
from receipts.push.endpoints import Wishes
from receipts.push.endpoints_file import load_endpoints
from receipts.push.guard import Guard
from receipts.push.ports import Answer, Heard, Request
from receipts.push.s3 import HEADERS
from yizhan_runtime import Misconfigured

LOOPBACKS = [
    "http://127.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
]
PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("url", LOOPBACKS)
def test_loopback_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        Guard().check_url(URL(url))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        Guard().check_address(address, 443)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses_pass_on_the_allowed_ports_only(address: str) -> None:
    Guard().check_address(address, 443)
    Guard(allow_ports=[8443]).check_address(address, 8443)
    with pytest.raises(ForbiddenAddress):
        Guard().check_address(address, 8443)


def test_allowed_networks_pass_on_any_port() -> None:
    guard = Guard(allow_private=[ip_network("127.0.0.0/8")])
    guard.check_url(URL("http://127.0.0.1:9999/receipts"))
    with pytest.raises(ForbiddenAddress):
        guard.check_url(URL("http://10.0.0.1:9999/receipts"))


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://user:word@example.com/"])
def test_other_schemes_and_credentials_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        Guard().check_url(URL(url))


def test_file_of_endpoints_is_checked_whole_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.yaml"
    file.write_text("endpoints: {acme: {url: 'http://127.0.0.1:8088/receipts'}}")
    with pytest.raises(Misconfigured, match="acme"):
        load_endpoints(file)
    file.write_text("allow_private: ['127.0.0.0/8']\n" + file.read_text())
    assert load_endpoints(file).endpoints["acme"].concurrency == 4
    file.write_text("endpoints: {acme: {url: 'https://example.com', concurency: 4}}")
    with pytest.raises(Misconfigured, match="concurency"):
        load_endpoints(file)
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_endpoints(tmp_path / "missing.yaml")
    assert not load_endpoints(None).endpoints


class Receiver:
    """A customer on loopback."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.body = b'{"respCode":"00000"}'
        self.status = 200
        self.waits_s = 0.0
        self.location = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        await asyncio.sleep(self.waits_s)
        headers = {"Location": self.location} if self.location else {}
        return web.Response(body=self.body, status=self.status, headers=headers)


async def serve(receiver: Receiver) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_post("/receipts", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001"])
async def test_nothing_reaches_a_listener_on_loopback_unless_it_is_allowed(host: str) -> None:
    receiver = Receiver()
    runner, port = await serve(receiver)
    wishes = Wishes.model_validate({"url": f"http://{host}:{port}/receipts"})
    request = Request(URL(str(wishes.url)), b"{}", HEADERS, 5.0)
    for guard, expected in (
        (Guard(allow_ports=[port]), Answer.FORBIDDEN),
        (Guard(allow_private=[ip_network("127.0.0.0/8")]), None),
    ):
        customers = HttpCustomers(guard)
        await customers.open()
        assert (await customers.post(request)).failure is expected
        await customers.close()
    await runner.cleanup()
    assert len(receiver.seen) == 1


async def test_answers_of_customers_are_told_apart_and_redirects_not_followed() -> None:
    receiver = Receiver()
    runner, port = await serve(receiver)
    customers = HttpCustomers(Guard(allow_private=[ip_network("127.0.0.0/8")]))
    await customers.open()
    url = f"http://127.0.0.1:{port}/receipts"
    request = Request(URL(url), b"{}", HEADERS, 0.2)
    assert await customers.post(request) == Heard(200, receiver.body)
    assert receiver.seen[0].headers["Content-Type"] == "application/json;charset=utf-8"
    assert receiver.seen[0].headers["Accept"] == "application/json"
    receiver.status = 500
    assert await customers.post(request) == Heard(500, receiver.body)
    receiver.status, receiver.location = 307, url
    before = len(receiver.seen)
    assert (await customers.post(request)).status == 307
    assert len(receiver.seen) == before + 1
    receiver.waits_s = 1.0
    assert (await customers.post(request)).failure is Answer.TIMEOUT
    await runner.cleanup()
    assert (await customers.post(request)).failure is Answer.FAILED
    await customers.close()


def resolving_to(*addresses: str) -> Callable[..., Awaitable[list[Any]]]:
    """Answer as the system's resolver does, with these addresses for any name."""

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port))
            for one in addresses
        ]

    return getaddrinfo


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("169.254.169.254",), ("93.184.216.34", "10.0.0.1"), ("::ffff:10.0.0.1",)],
)
async def test_a_name_that_resolves_into_our_own_network_is_refused_when_saved_and_when_pushed_to(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One forbidden address among good ones is enough: the connection may go to any of them."""
    customers = HttpCustomers(Guard())
    await customers.open()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolving_to(*addresses))
    url = URL("https://receipts.example.com/x")
    with pytest.raises(ForbiddenAddress, match="private"):
        await customers.check(url)
    heard = await customers.post(Request(url, b"{}", HEADERS, 5.0))
    assert heard.failure is Answer.FORBIDDEN
    await customers.close()


async def test_a_name_that_moves_to_a_private_address_after_it_was_saved_is_not_pushed_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    customers = HttpCustomers(Guard())
    await customers.open()
    url = URL("https://receipts.example.com/x")
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", resolving_to("93.184.216.34"))
    await customers.check(url)
    monkeypatch.setattr(loop, "getaddrinfo", resolving_to("127.0.0.1"))
    heard = await customers.post(Request(url, b"{}", HEADERS, 5.0))
    assert heard.failure is Answer.FORBIDDEN
    await customers.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.216.34/x", "https"),
        ("https://93.184.216.34:8443/x", "port 8443"),
        ("https://192.168.0.1/x", "private"),
        ("https://does-not-exist.invalid/x", "does not resolve"),
    ],
)
async def test_an_address_is_checked_when_it_is_saved(url: str, why: str) -> None:
    with pytest.raises(ForbiddenAddress, match=why):
        await HttpCustomers(Guard()).check(URL(url))


async def test_operators_may_let_http_through_within_their_own_network() -> None:
    guard = Guard(allow_private=[ip_network("127.0.0.0/8")])
    await HttpCustomers(guard).check(URL("http://127.0.0.1:9999/x"))
