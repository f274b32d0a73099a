"""Fetching a small document over HTTPS, bounded in size and time; no redirects, no proxies, no surprises."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_DOCUMENT: Final = 1_048_576
"""Bytes of a fetched document (spec/threats JW-11)."""

TIMEOUT: Final = 5.0
"""Seconds for one fetch, from the connection to the last byte."""

_LOOPBACK: Final = ("127.0.0.1", "::1")


class FetchError(Exception):
    """The document could not be had; the text says why."""


def is_localhost(host: str) -> bool:
    """Whether a name is ``localhost`` or under it (RFC 6761 §6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Whether a host, name or IP literal, can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return is_localhost(host)


def check_url(url: str) -> SplitResult:
    """Split a URL that we are willing to fetch: ``https``, or ``http`` to loopback. Raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not host or parts.username is not None:
        raise ValueError(f"not a URL to fetch keys from: {url!r}; write https://host/path")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"keys must not be fetched in clear text: {url!r}; write https://")
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"a URL must be ASCII without blanks: {url!r}")
    _ = parts.port  # raises ValueError when it is no port
    return parts


def fetch_document(
    url: str, *, ca_file: str | None = None, timeout: float = TIMEOUT, limit: int = MAX_DOCUMENT
) -> bytes:
    """GET ``url`` and give its body, at most ``limit`` bytes, within ``timeout`` seconds.

    Blocking. ``ca_file`` (PEM) replaces the system's trust store. Anything but a 200 is a failure: redirects
    are not followed. Raises FetchError, and ValueError for a URL that :func:`check_url` refuses.
    """
    parts = check_url(url)
    try:
        with closing(_open(parts, ca_file, timeout)) as connection, _deadline(connection, timeout):
            return _get(connection, parts, limit)
    except TimeoutError as error:
        raise FetchError(f"{url} did not answer within {timeout:g} seconds") from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{url} could not be fetched: {error}") from error


def _get(connection: _Connection, parts: SplitResult, limit: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
    response = connection.getresponse()
    if response.status != 200:
        raise FetchError(f"{parts.geturl()} answered with status {response.status}")
    body = response.read(limit + 1)
    if len(body) > limit:
        raise FetchError(f"{parts.geturl()} answered with more than {limit} bytes")
    return body


@contextmanager
def _deadline(connection: _Connection, seconds: float) -> Iterator[None]:
    """Cut the connection after ``seconds``, raising TimeoutError.

    A socket's own time-out starts anew with every byte that drips in.
    """
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        connection.cut()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError


def _open(parts: SplitResult, ca_file: str | None, timeout: float) -> _Connection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return _PlainConnection(host, parts.port or 80, timeout=timeout)
    return _TLSConnection(host, parts.port or 443, ssl.create_default_context(cafile=ca_file), timeout)


def _dial(host: str, port: int, timeout: float) -> socket.socket:
    """Connect; names under localhost are this machine whatever the resolver says (RFC 6761 §6.3)."""
    problem: OSError | None = None
    for address in _LOOPBACK if is_localhost(host) else (host,):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            problem = problem or error
    raise problem or OSError(f"{host} has no address")


class _PlainConnection(http.client.HTTPConnection):
    """Clear text, for loopback alone."""

    dialed: socket.socket | None = None
    """The socket; kept because the base class forgets its own before the body is read."""

    def connect(self) -> None:
        self.sock = self.dialed = _dial(self.host, self.port, self.timeout or TIMEOUT)

    def cut(self) -> None:
        """Shut the socket down, from any thread."""
        _shut_down(self.dialed)


class _TLSConnection(http.client.HTTPSConnection):
    """HTTPS whose name is always verified, also when we know the address ourselves."""

    dialed: ssl.SSLSocket | None = None

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._tls = context

    def connect(self) -> None:
        plain = _dial(self.host, self.port, self.timeout or TIMEOUT)
        try:
            tls = self._tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        self.sock = self.dialed = tls
        tls.do_handshake()

    def cut(self) -> None:
        """Shut the socket down, from any thread."""
        _shut_down(self.dialed)


_Connection = _PlainConnection | _TLSConnection


def _shut_down(sock: socket.socket | None) -> None:
    try:
        if sock is not None:
            # not the TLS layer's own shutdown, which belongs to the thread that reads
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # the other end was faster
