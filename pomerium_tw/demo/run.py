"""Starting the demo: addresses, files, two applications, and the real service in front of them."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from twisted.application.service import IService, MultiService, Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.web.server import Site

from pomerium_tw.model import Secret
from pomerium_tw.transport import Threads

from .certificates import Certificates, ensure_certificates
from .errors import DemoError
from .idp import Client, make_identity_provider
from .idp_key import ensure_idp_key
from .settings import (
    APPLICATION_HOSTS,
    CLIENT_ID,
    CONFIG_FILE,
    HOSTS,
    Addresses,
    public_url,
    write_settings,
)
from .state import StateFolder, ensure_secrets
from .verify_app import make_verify_app

DEFAULT_ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8443

LOG_FILE = "pomerium.log"
"""Where the demo logs, in its state folder: on the terminal, the table of addresses would scroll away."""

PORTS_TRIED = 100
"""Ports looked at, from the wanted one upwards."""

VERIFIERS = 4
"""Threads that verify assertions."""

_LOOPBACK = "127.0.0.1"

MakeService = Callable[[str, Mapping[str, str]], IService]
"""Configuration file and environment → the proxy as a Twisted service."""


def open_log(state_dir: Path) -> int:
    """A file descriptor for the demo's log. Raises DemoError."""
    return StateFolder(state_dir).append_to(LOG_FILE)


class Demo(MultiService):
    """The running demo; :meth:`stopService` ends all of it."""

    def __init__(
        self, addresses: Addresses, certificates: Certificates, config_file: Path, wanted_port: int
    ) -> None:
        super().__init__()
        self.addresses = addresses
        self.certificates = certificates
        self.config_file = config_file
        self.wanted_port = wanted_port
        """The port that was asked for; another one is used when it is taken."""


async def start(
    reactor: Any,
    state_dir: Path,
    address: str = DEFAULT_ADDRESS,
    port: int = DEFAULT_PORT,
    make_service: MakeService | None = None,
) -> Demo:
    """Start everything.

    ``reactor`` provides IReactorTCP, IReactorTime and IReactorThreads. ``make_service`` is the proxy's own
    unless given. Raises DemoError for what a person can mend, and whatever the service raises; then nothing
    is left running.
    """
    address = loopback_address(address)
    state = StateFolder(state_dir)
    lock = state.lock()
    secrets = ensure_secrets(state)
    front = free_port(address, port)
    certificates = ensure_certificates(state, (*HOSTS, "localhost"), reactor.seconds())
    threads = Threads(reactor, "verify", VERIFIERS)
    app = make_verify_app(
        {host: public_url(host, front) for host in APPLICATION_HOSTS}, threads.run, str(certificates.ca_file)
    )
    idp = make_identity_provider(
        public_url("idp.localhost", front),
        [_client(front, secrets.client_secret)],
        reactor,
        signing_key=ensure_idp_key(state),
    )
    app_port, idp_port = _listen(reactor, app), _listen(reactor, idp)
    addresses = Addresses(
        address=address,
        port=front,
        idp_port=_port_number(idp_port),
        app_port=_port_number(app_port),
    )
    demo = Demo(addresses, certificates, state.file(CONFIG_FILE), port)
    for each in (_Listening(app_port), _Listening(idp_port), _Closing(threads), _Locked(lock)):
        each.setServiceParent(demo)
    try:
        write_settings(state, addresses, certificates, secrets)
        # the proxy last: its upstreams listen already. No environment: a stray ADDRESS must not move the demo
        proxy = (make_service or _proxy_service)(str(demo.config_file), {})
        proxy.setServiceParent(demo)
        demo.startService()
        ready: Deferred[None] | None = getattr(proxy, "ready", None)
        if ready is not None:
            await ready  # fires when the databroker is open, fails when it cannot be
    except BaseException:
        await maybeDeferred(demo.stopService)
        raise
    return demo


def _proxy_service(config_file: str, environ: Mapping[str, str]) -> IService:
    from pomerium_tw.service import make_service

    return make_service(config_file, environ)


def loopback_address(address: str) -> str:
    """The address as an IP literal. Raises DemoError unless it is this machine's alone.

    The demo's passwords are printed: it must never be reachable from elsewhere.
    """
    try:
        literal = ipaddress.ip_address(_LOOPBACK if address == "localhost" else address.strip("[]"))
    except ValueError:
        literal = None
    if literal is None or not literal.is_loopback or getattr(literal, "ipv4_mapped", None):
        raise DemoError(
            f"the demo listens on loopback addresses only, not on {address!r}: its passwords are public. "
            "Leave --address out, or write your own configuration and start it with `pomerium-tw run FILE`"
        )
    return str(literal)


def free_port(address: str, wanted: int) -> int:
    """The first port from ``wanted`` upwards that nobody listens on. Raises DemoError."""
    if not 0 < wanted < 65_536:
        raise DemoError(f"{wanted} is no port; ports are 1 to 65535")
    problem = ""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError as error:
                problem = os.strerror(error.errno or 0)
            else:
                return port
    raise DemoError(f"no free port on {address} from {wanted} on ({problem}); choose another with --port")


def _client(front: int, secret: Secret) -> Client:
    authenticate = public_url("authenticate.localhost", front)
    return Client(
        id=CLIENT_ID,
        secret=secret,
        name="the pomerium-tw demo",
        redirect_uris=(f"{authenticate}/oauth2/callback",),
        post_logout_redirect_uris=(
            f"{authenticate}/.pomerium/signed_out",
            *(f"{public_url(host, front)}/" for host in APPLICATION_HOSTS),
        ),
        form_targets=(authenticate, *(public_url(host, front) for host in APPLICATION_HOSTS)),
    )


def _listen(reactor: Any, site: Site) -> IListeningPort:
    """Listen on a free loopback port, in clear text."""
    port: IListeningPort = reactor.listenTCP(0, site, interface=_LOOPBACK)
    return port


def _port_number(port: IListeningPort) -> int:
    return cast(IPv4Address, port.getHost()).port


class _Locked(Service):
    """Holds the folder's lock until the demo ends."""

    def __init__(self, lock: int) -> None:
        self._lock = lock

    def stopService(self) -> None:
        super().stopService()
        os.close(self._lock)


class _Listening(Service):
    """A port that is open from the start; closes with the demo."""

    def __init__(self, port: IListeningPort) -> None:
        self._port = port

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._port.stopListening() or succeed(None)


class _Closing(Service):
    """Threads that close with the demo."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._threads.close()
