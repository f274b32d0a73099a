"""The service, from a configuration file to answers over real sockets, and back to nothing."""

from __future__ import annotations

import gc
import http.client
import os
import re
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import treq
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, globalLogPublisher
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from pomerium_tw.config import ConfigError, load
from pomerium_tw.databroker import StoreUnavailable
from pomerium_tw.service import PomeriumService, check, make_service
from pomerium_tw.service.garbage import YOUNG_OBJECTS
from pomerium_tw.service.run import GRACE_SECONDS
from pomerium_tw.telemetry import LineWriter
from pomerium_tw.tls import client_connection
from pomerium_tw.transport.listening import NO_DESCRIPTOR
from tests.logs import AtOnce

reactor: Any = installed
ROUTE = """
routes:
  - from: https://app.example.com
    to: http://127.0.0.1:1
    allow_public_unauthenticated_access: true
"""
PLAIN = "address: 127.0.0.1:0\ninsecure_server: true\n" + ROUTE
ENCRYPTED = "address: 127.0.0.1:0\n" + ROUTE


@implementer(IAgentEndpointFactory)
class _Local:
    def __init__(self, port: int, encrypted: bool) -> None:
        self._port = port
        self._encrypted = encrypted

    def endpointForURI(self, uri: Any) -> Any:
        plain = TCP4ClientEndpoint(reactor, "127.0.0.1", self._port, 10)
        name = uri.host.decode()
        return wrapClientTLS(client_connection(name, None), plain) if self._encrypted else plain


async def ask(service: PomeriumService, path: str, *, encrypted: bool = False) -> tuple[int, str, str]:
    """Status, content type and text of an answer."""
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent = Agent.usingEndpointFactory(reactor, _Local(service.port_number, encrypted), pool)
    url = f"{'https' if encrypted else 'http'}://app.example.com{path}"
    response = await agent.request(b"GET", url.encode())
    kind = (response.headers.getRawHeaders("content-type") or [""])[0]
    return response.code, kind, await treq.text_content(response, "utf-8")


class Site:
    """A folder with a configuration, and services made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"

    def write(self, text: str) -> str:
        path = self.folder / "c.yaml"
        path.write_text(f"state_dir: {self.state}\n{text}", "utf-8")
        return str(path)

    def service(self, text: str) -> PomeriumService:
        discarded = LineWriter(AtOnce(1, lambda _fd, data: len(data)), reactor)
        service = make_service(self.write(text), {}, writer=discarded)
        assert isinstance(service, PomeriumService)
        return service


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def left_behind() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "databroker" in thread.name}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("encrypted", [True, False])
@ensureDeferred
async def test_it_starts_answers_and_stops_without_a_trace(site: Site, store: str, encrypted: bool) -> None:
    calls, readers = set(reactor.getDelayedCalls()), set(reactor.getReaders())
    text = (ENCRYPTED if encrypted else PLAIN) + f"databroker_storage_type: {store}\n"
    service = site.service(text)
    service.startService()
    await service.ready
    port = service.port_number
    status, kind, body = await ask(service, "/ping", encrypted=encrypted)
    assert (status, kind, body) == (200, "text/plain; charset=utf-8", "OK\n")
    status, kind, body = await ask(service, "/.well-known/pomerium/jwks.json", encrypted=encrypted)
    assert (status, kind) == (200, "application/json")
    assert '"alg":"ES256"' in body.replace(" ", "")
    await service.stopService()
    assert (site.state / "databroker.sqlite").exists() is (store == "sqlite")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not left_behind()
    assert {
        call for call in reactor.getDelayedCalls() if call not in calls and "pomerium_tw" in repr(call)
    } == set()
    assert {
        reader for reader in reactor.getReaders() if reader not in readers and "Listener" in repr(reader)
    } == set()


@ensureDeferred
async def test_records_are_loaded_with_a_collector_that_seldom_looks(site: Site) -> None:
    threshold = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        service = site.service(PLAIN)
        service.startService()
        assert gc.get_threshold()[0] == YOUNG_OBJECTS
        await service.ready
        await service.stopService()
    finally:
        gc.set_threshold(*threshold)


@ensureDeferred
async def test_it_can_be_stopped_before_it_is_ready(site: Site) -> None:
    service = site.service(PLAIN)
    service.startService()
    await service.stopService()
    assert not service.ready.called
    assert not left_behind()


@ensureDeferred
async def test_idle_clients_that_do_not_take_leave_hold_up_no_stop(site: Site) -> None:
    service = site.service(ENCRYPTED)
    service.startService()
    await service.ready
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def use() -> http.client.HTTPSConnection:
        client = http.client.HTTPSConnection("127.0.0.1", service.port_number, context=context, timeout=10)
        client.request("GET", "/ping", headers={"Host": "app.example.com"})
        assert client.getresponse().read() == b"OK\n"
        return client

    client = await deferToThread(use)
    assert client.sock is not None
    try:
        await service.stopService().addTimeout(GRACE_SECONDS / 2, reactor)
        assert client.sock.recv(1) == b"", "close_notify was sent before the end"
    finally:
        client.close()


@ensureDeferred
async def test_nothing_listens_before_the_start(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = PLAIN.replace(":0\n", f":{taken.getsockname()[1]}\n", 1)
        service = site.service(text)
        with pytest.raises(CannotListenError):
            service.privilegedStartService()


@ensureDeferred
async def test_a_store_that_cannot_be_opened_is_told(site: Site) -> None:
    site.state.write_text("in the way", "utf-8")
    service = site.service(PLAIN)
    service.startService()
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        await service.ready
    await service.stopService()
    assert not left_behind()


@ensureDeferred
async def test_connections_that_cannot_be_accepted_are_told_of(site: Site) -> None:
    logged: list[LogEvent] = []
    service = site.service(PLAIN)
    service.startService()
    await service.ready
    globalLogPublisher.addObserver(logged.append)
    port: Any = service._port
    port._logger.info("Could not accept new connection ({acceptError})", acceptError="ENFILE")
    globalLogPublisher.removeObserver(logged.append)
    assert [event["not_accepted"] for event in logged] == [{NO_DESCRIPTOR: 1}]
    await service.stopService()


@ensureDeferred
async def test_every_address_is_listened_on_when_none_is_named(site: Site) -> None:
    service = site.service(PLAIN.replace("127.0.0.1:0", '":0"', 1))
    service.startService()
    await service.ready
    assert (await ask(service, "/ping"))[0] == 200
    await service.stopService()


def test_a_wrong_configuration_makes_no_service(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml:2:1: there is no key adress"):
        site.service("adress: x\n" + ROUTE)


def problems(site: Site, text: str) -> list[str]:
    """What a dry build says, the folder left out."""
    found = check(load(site.write(text), {}))
    return [str(problem).replace(f"{site.folder}{os.sep}", "") for problem in found.problems]


def test_a_good_configuration_has_no_problems(site: Site) -> None:
    assert problems(site, PLAIN) == []
    assert problems(site, ENCRYPTED) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "routes:\n  - from: https://a.example.com\n    to: http://a\n    policy:\n      - allow:\n"
            "          or:\n            - domein:\n                is: x\n",
            r"c.yaml:8:15: unknown policy criterion: domein",
            id="policy",
        ),
        pytest.param(
            "routes:\n  - from: https://a.example.com\n    to: http://a\n    policy: employees\n",
            r"c.yaml:5:13: there is no policy called 'employees'",
            id="policy name",
        ),
        pytest.param(
            "idp_provider: nonsense\nauthenticate_service_url: https://auth.example.com\n" + ROUTE,
            r"c.yaml:2:15: .*nonsense",
            id="provider kind",
        ),
        pytest.param(
            "idp_provider: oidc\nidp_provider_url: ftp://x\nidp_client_id: c\nidp_client_secret: s\n"
            "authenticate_service_url: https://auth.example.com\n" + ROUTE,
            r"c.yaml:3:19: oidc: ",
            id="provider address",
        ),
        pytest.param(
            "signing_key: |\n  -----BEGIN PRIVATE KEY-----\n  AAAA\n  -----END PRIVATE KEY-----\n" + ROUTE,
            r"c.yaml:2:14: key 1 cannot be read",
            id="signing key",
        ),
        pytest.param(
            f"routes:\n  - from: https://a.example.com\n    to: https://{'x' * 64}\n"
            "    allow_any_authenticated_user: true\n",
            r"c.yaml:4:9: 'x{64}' is not a host name",
            id="upstream name",
        ),
    ],
)
def test_a_dry_build_finds_problems_and_their_places(site: Site, text: str, expected: str) -> None:
    found = problems(site, text)
    assert len(found) == 1, found
    assert re.match(expected, found[0]), found


def weak_pair() -> tuple[bytes, bytes]:
    """A certificate with a key that OpenSSL does not serve."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM), key.private_bytes(*form)


def test_each_certificate_that_cannot_serve_is_named_where_it_stands(site: Site) -> None:
    chain, key = weak_pair()
    for name, content in (("weak.pem", chain), ("weak.key", key)):
        (site.folder / name).write_bytes(content)
        (site.folder / name).chmod(0o600)
    pair = "{cert: weak.pem, key: weak.key}"
    text = f"certificates: [{pair}]\ncertificate_file: weak.pem\ncertificate_key_file: weak.key\n" + ROUTE
    found = problems(site, text)
    assert [each.partition(": OpenSSL refuses")[0] for each in found] == ["c.yaml:2:16", "c.yaml:3:19"], found


def test_the_key_of_another_certificate_is_named_where_it_stands(site: Site) -> None:
    chain, _key = weak_pair()
    _chain, key = weak_pair()
    for name, content in (("a.pem", chain), ("a.key", key)):
        (site.folder / name).write_bytes(content)
        (site.folder / name).chmod(0o600)
    with pytest.raises(ConfigError, match=r"c\.yaml:3:23: the private key is not that of the certificate"):
        site.service("certificate_file: a.pem\ncertificate_key_file: a.key\n" + ROUTE)
