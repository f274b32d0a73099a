"""Starting and stopping the demo, with something smaller in the place of the whole proxy."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from rich.console import Console
from twisted.application.service import Service
from twisted.internet import reactor

from pomerium_tw.config import load
from pomerium_tw.demo import DemoError, start, welcome
from pomerium_tw.demo.run import free_port, loopback_address

from .conftest import ADMIN, MEMBER, OUTSIDER, Browser


class FakeProxy(Service):
    """Remembers how it was made."""

    def __init__(self, config_file: str, environ: Mapping[str, str]) -> None:
        self.settings = load(config_file, environ).settings
        self.environ = environ


@contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", port))) as listening:
        yield listening.getsockname()[1]


def accepts(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@ensureDeferred
async def test_the_demo_starts_its_parts_and_stops_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADDRESS", "0.0.0.0:1")
    made: list[FakeProxy] = []

    def make_service(config_file: str, environ: Mapping[str, str]) -> Any:
        made.append(FakeProxy(config_file, environ))
        return made[0]

    demo = await start(reactor, tmp_path / "state", make_service=make_service)
    (proxy,) = made
    assert proxy.running
    assert proxy.environ == {}
    assert proxy.settings.address.port == demo.addresses.port
    browser = Browser(demo.addresses.idp_port)
    document = (await browser.get("/.well-known/openid-configuration")).text
    assert demo.addresses.url("idp.localhost") in document
    assert "not verified" in (await Browser(demo.addresses.app_port).get("/")).text
    await demo.stopService()
    assert not proxy.running
    assert not accepts(demo.addresses.idp_port)
    assert not accepts(demo.addresses.app_port)


@ensureDeferred
async def test_a_proxy_that_cannot_start_leaves_nothing_running(tmp_path: Path) -> None:
    ports: list[int] = []

    def make_service(config_file: str, environ: Mapping[str, str]) -> Any:
        ports.extend(
            int(port) for port in re.findall(r'to: "http://127.0.0.1:(\d+)"', Path(config_file).read_text())
        )
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await start(reactor, tmp_path, make_service=make_service)
    assert len(ports) == 4
    assert not any(accepts(port) for port in ports)


@ensureDeferred
async def test_the_next_free_port_is_taken_and_told(tmp_path: Path) -> None:
    with taken() as port:
        demo = await start(reactor, tmp_path, port=port, make_service=FakeProxy)
        await demo.stopService()
    assert port < demo.addresses.port <= port + 100
    out = StringIO()
    welcome(Console(file=out, width=200), demo)
    said = out.getvalue()
    assert f"Port {port} is taken: using {demo.addresses.port}" in said
    for account in (ADMIN, MEMBER, OUTSIDER):
        assert account.username in said
        assert account.password in said
    for host in ("verify", "admin", "public", "authenticate", "idp"):
        assert f"https://{host}.localhost:{demo.addresses.port}/" in said
    ca = str(demo.certificates.ca_file)
    for command in (
        f"curl --cacert {ca}",
        "certutil -A",
        "update-ca-certificates",
        "security add-trusted-cert",
    ):
        assert command in said
    assert "shared_secret" not in said


@pytest.mark.parametrize(
    "address", [".".join("0000"), "::", "10.0.0.1", "example.com", "", "::ffff:127.0.0.1", "localhost.evil"]
)
def test_only_loopback_is_listened_on(address: str) -> None:
    with pytest.raises(DemoError, match="loopback addresses only"):
        loopback_address(address)


@pytest.mark.parametrize(
    ("address", "literal"),
    [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.1.2.3", "127.1.2.3"), ("[::1]", "::1")],
)
def test_loopback_in_its_spellings(address: str, literal: str) -> None:
    assert loopback_address(address) == literal


def test_a_free_port_is_found_upwards() -> None:
    with taken() as first:
        assert free_port("127.0.0.1", first) > first
    assert free_port("127.0.0.1", first) == first


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_what_is_no_port_is_said_so(port: int) -> None:
    with pytest.raises(DemoError, match="no port"):
        free_port("127.0.0.1", port)


def test_when_nothing_is_free_it_is_said_so() -> None:
    with pytest.raises(DemoError, match=r"no free port .*--port"):
        free_port("192.0.2.1", 8443)  # an address that this machine does not have
