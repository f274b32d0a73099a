"""What the edge made of the client's bytes: the one object that router, policy, log and writer all read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .certificate import ClientCertificate


class Peer(NamedTuple):
    """Who asks: the connection's other end, or whom a trusted hop before us names (spec/proxy §3.2)."""

    address: str
    """IP literal, no brackets or zone; IPv4-mapped IPv6 is written as IPv4."""
    port: int


class Target(NamedTuple):
    """A normalised origin-form request target (RFC 9112 §3.2.1)."""

    raw_path: bytes
    """Normalised path, percent-encoding kept: what is sent upstream."""
    path: str
    """The same path percent-decoded once: what routes and policies match."""
    query: bytes | None
    """Everything after the first ``?`` as received; None when there was no ``?``."""

    @property
    def raw(self) -> bytes:
        return self.raw_path if self.query is None else self.raw_path + b"?" + self.query


def joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Name → its values joined by ``, `` (RFC 9110 §5.3)."""
    index: dict[bytes, bytes] = {}
    for name, value in fields:
        index[name] = index[name] + b", " + value if name in index else value
    return index


class Head:
    """One header block, checked and sorted into facts and the lines that may travel on.

    Immutable by contract.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int | None,
        fields: tuple[tuple[bytes, bytes], ...] = (),
        passed: bytes,
        index: dict[bytes, bytes] | None = None,
        cookie: bytes | None = None,
        content_length: int | None = None,
        chunked: bool = False,
        close: bool = False,
        upgrade: bytes | None = None,
        expect_continue: bool = False,
        by_connection: bool = False,
    ) -> None:
        """``index``: lower-case name → its values joined; ``fields``: only where a name repeats."""
        self.host = host
        """Host name in lower case, no port, no trailing dot; IPv6 literals keep their brackets."""
        self.port = port
        """Port named by the client, or None."""
        self.authority = host if port is None else f"{host}:{port}"
        """Host and port as the client named them, normalised."""
        self._fields = fields
        self._index = joined(fields) if index is None else index
        self.passed = passed
        """Lines (each ending in CRLF) that may go upstream, bytes and case as received."""
        self.cookie = cookie
        """The Cookie value (several lines joined by ``; ``), session cookies still in it."""
        self.content_length = content_length
        """Declared body size in bytes, or None."""
        self.chunked = chunked
        """The body is chunked."""
        self.close = close
        """The client asked for the connection to end with this exchange."""
        self.upgrade = upgrade
        """The protocol that an Upgrade asked for, lower case; or several, with commas between; or None."""
        self.expect_continue = expect_continue
        """The client waits for ``100 Continue`` before it sends the body."""
        self.by_connection = by_connection
        """The client signs in by a scheme that holds for the whole connection (NTLM, Negotiate: RFC 4559)."""
        self.memo: dict[Any, Any] = {}
        """What is derived from this block (log fragments, upstream lines) and lives no longer.

        Whoever would make it too large empties it: everything in it can be made again.
        """

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """(lower-case name, value) of every line the client sent, in order."""
        # Hardly ever asked for, and as many objects as all the rest of a head.
        return self._fields or tuple(self._index.items())

    def get(self, name: bytes) -> bytes | None:
        """All values of a header (lower-case name) joined by ``, ``; None when absent."""
        return self._index.get(name)

    def text(self, name: bytes) -> str:
        """As :meth:`get`, as text for logs and pages; absent is the empty string."""
        return self._index.get(name, b"").decode("utf-8", "backslashreplace")


class MCPCall(NamedTuple):
    """One JSON-RPC request of the Model Context Protocol."""

    id: str | int | None
    method: str
    tool: str | None = None
    """Name of the called tool where the method is ``tools/call``."""


class SSHLogin(NamedTuple):
    """Who asks for a shell, as the SSH client says."""

    username: str
    public_key: bytes = b""
    """The key or certificate in the SSH wire format (RFC 4253 §6.6)."""


class Request(NamedTuple):
    """One immutable request after the edge: bytes were read once and are never looked at again."""

    id: str
    """Request id (UUID text): answer header, log lines, error pages."""
    method: str
    scheme: str
    """``https`` or ``http``: how the client reached us."""
    target: Target
    head: Head
    peer: Peer
    certificate: ClientCertificate | None = None
    """What the client presented on this connection, good or not."""
    mcp: MCPCall | None = None
    """Of requests to MCP server routes."""
    ssh: SSHLogin | None = None
    """Of SSH sessions."""
    forwarded_for: bytes = b""
    """``X-Forwarded-For`` as the upstream gets it: whom we were told of, then the connection's own peer."""

    @property
    def host(self) -> str:
        return self.head.host

    @property
    def authority(self) -> str:
        return self.head.authority

    @property
    def url(self) -> str:
        """The URL as a person would type it; the scheme is always ``https`` (spec/identity §3.1 step 3)."""
        return f"https://{self.head.authority}{self.target.raw.decode('ascii')}"


class Reply(NamedTuple):
    """A whole answer of our own. Sending adds Content-Length, request id and configured headers."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def with_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Reply:
        return self._replace(headers=self.headers + tuple(headers))


def redirect(location: str, status: int = 302, headers: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    """A redirect; ``location`` must be an absolute URL or path that we built (RFC 9110 §10.2.2).

    Raises ValueError for anything that could not be one header line.
    """
    encoded = location.encode("ascii")
    if any(byte <= 0x20 or byte == 0x7F for byte in encoded):
        raise ValueError("a redirect target must not contain blanks or control characters")
    return Reply(status, ((b"Location", encoded), *headers))
