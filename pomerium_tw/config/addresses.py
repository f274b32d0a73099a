"""Addresses and URLs of a configuration: listeners, what callers ask for, upstreams, services."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, NamedTuple, cast
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import PlainValidator

from pomerium_tw.model import DEFAULT_PORTS, Upstream, canonical_ipv6

from .problem import DecodeError
from .rewriting import path_text
from .values import listed, text

_LABELS = re.compile(r"[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?(?:\.[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?)*")
_BLANKS = re.compile(r"[\x00-\x20\x7f]")
_PORT = re.compile(r"[0-9]{1,5}")
_MAX_PORT = 65535
_UPSTREAM_EXAMPLE = "http://10.0.0.5:8080"
_TUNNEL_SCHEMES = frozenset({"tcp+https", "udp+https", "ssh"})
_SOCKET_SCHEMES = frozenset({"unix", "https+unix"})
_NOT_BUILT_SCHEMES = frozenset({"h2c", "tcp", "udp", "ssh"})

MAX_SOCKET_PATH_BYTES = 107
"""Longest path of a unix socket: what Linux has room for in an address (unix(7))."""


MAX_WEIGHT = 100_000
"""Weight of an upstream beside the others of its route; each turn takes 8 bytes."""


class Address(NamedTuple):
    """Where a listener waits."""

    host: str
    """IP literal without brackets, or a name; "" is every address."""
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ServiceURL(NamedTuple):
    """Where browsers or other services reach a service."""

    url: str
    """scheme://host[:port] without a path; the default port is left out."""
    scheme: Literal["http", "https"]
    host: str
    """Lower case; IPv6 literals keep their brackets."""
    port: int | None
    """None for the scheme's default."""

    def __str__(self) -> str:
        return self.url


class FromURL(NamedTuple):
    """What callers ask for, as a route's ``from`` says it."""

    scheme: Literal["http", "https"]
    host: str
    """Lower case; may hold ``*``; IPv6 literals keep their brackets; "" when ``from`` is missing."""
    port: int | None
    """None for the scheme's default, written or not (spec/proxy §2.4)."""

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


NO_FROM = FromURL("https", "", None)
"""Stands for a missing ``from``; refused by the checks of a route."""


def parse_address(value: Any, default_port: int) -> Address:
    """``host:port``, ``:port``, ``host`` or ``[v6]:port``."""
    written = text(value).strip().strip("\"'")
    hint = "write host:port, :port or [IPv6]:port"
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(.*))?", written)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
        if not _is_ip(host):
            raise DecodeError("what stands in brackets is not an IPv6 address", hint)
    elif written.count(":") > 1:
        host, port = written, None
        if not _is_ip(host):
            raise DecodeError("this is not an address", hint)
    else:
        host, colon, rest = written.partition(":")
        port = rest if colon else None
        if host.isdigit() and not colon:
            raise DecodeError("this is a port without its colon", f"write :{host}")
        if "*" in host:
            every = f":{rest}" if rest else ":port"
            raise DecodeError("a listener's host cannot hold *", f"write {every} for every address")
        if host and not _LABELS.fullmatch(host.lower()):
            raise DecodeError("this is not a host name or IP address", hint)
    return Address(host.lower(), default_port if port is None else _port(port, hint))


def parse_service_url(value: Any) -> ServiceURL:
    """An http or https URL with no path but ``/``."""
    parts = _split(value, "https://authenticate.example.com")
    if parts.scheme not in DEFAULT_PORTS:
        raise DecodeError(
            "a service URL begins with https://", "write it as https://authenticate.example.com"
        )
    host, port = host_and_port(parts.netloc)
    if parts.path not in {"", "/"} or parts.query:
        raise DecodeError("a service URL has no path", "leave out what follows the host")
    scheme = cast("Literal['http', 'https']", parts.scheme)
    port = None if port == DEFAULT_PORTS[scheme] else port
    return ServiceURL(str(FromURL(scheme, host, port)), scheme, host, port)


def parse_web_url(value: Any) -> str:
    """An absolute http or https URL, as written."""
    parts = _split(value, "https://www.example.com/")
    if parts.scheme not in DEFAULT_PORTS:
        raise DecodeError("the URL must begin with https:// or http://")
    host_and_port(parts.netloc)
    return parts.geturl()


def parse_from(value: Any) -> FromURL:
    """A route's ``from`` (spec/proxy §2.3): scheme and host, no path other than ``/``."""
    example = "https://app.example.com"
    parts = _split(value, example)
    if parts.scheme in _TUNNEL_SCHEMES:
        raise DecodeError(
            f"routes from {parts.scheme}:// are not built yet", "use https:// or leave the route out"
        )
    if parts.scheme not in DEFAULT_PORTS:
        raise DecodeError("from must begin with https://", f"write it as {example}")
    host, port = host_and_port(parts.netloc, wildcards=True)
    if parts.path not in {"", "/"} or parts.query:
        raise DecodeError("a path does not belong here", "put the path into prefix, path or regex")
    scheme = cast("Literal['http', 'https']", parts.scheme)
    return FromURL(scheme, host, None if port == DEFAULT_PORTS[scheme] else port)


def parse_to(value: Any) -> tuple[Upstream, bool]:
    """One ``to`` entry, ``URL[,weight]``, and whether it names a weight."""
    url, comma, tail = text(value).strip().rpartition(",")
    if not comma:
        url, tail = tail, ""
    parts = _split(url, _UPSTREAM_EXAMPLE)
    if parts.query:
        raise DecodeError("an upstream's URL has no query", "leave out what follows the ?")
    weight = _weight(tail) if comma else 1
    upstream = _socket(parts, weight) if parts.scheme in _SOCKET_SCHEMES else _server(parts, weight)
    return upstream, bool(comma)


def _server(parts: SplitResult, weight: int) -> Upstream:
    """An upstream that TCP reaches."""
    if parts.scheme in _NOT_BUILT_SCHEMES:
        raise DecodeError(
            f"upstreams of {parts.scheme}:// are not built yet", "use http://, https:// or unix:///path"
        )
    if parts.scheme not in DEFAULT_PORTS:
        hint = (
            "write unix:///path"
            if parts.scheme == "http+unix"
            else f"write it as {_UPSTREAM_EXAMPLE}, or as unix:///path"
        )
        raise DecodeError("an upstream begins with http://, https://, unix:// or https+unix://", hint)
    host, port = host_and_port(parts.netloc)
    scheme = cast("Literal['http', 'https']", parts.scheme)
    return Upstream(
        scheme=scheme,
        host=host.strip("[]"),
        port=DEFAULT_PORTS[scheme] if port is None else port,
        path=path_text(parts.path),
        weight=weight,
        authority=parts.netloc,
    )


def _socket(parts: SplitResult, weight: int) -> Upstream:
    """An upstream at a unix socket; the path of the URL is that of the socket."""
    example = f"write it as {parts.scheme}:///run/app.sock"
    if parts.netloc:
        raise DecodeError("a socket has no host, only a path", example)
    path = unquote(parts.path)
    if not path.startswith("/") or "\0" in path:
        raise DecodeError("this is not the absolute path of a socket", example)
    if len(path.encode("utf-8", "surrogateescape")) > MAX_SOCKET_PATH_BYTES:
        raise DecodeError(f"the path of a socket is at most {MAX_SOCKET_PATH_BYTES} bytes long")
    scheme = cast("Literal['unix', 'https+unix']", parts.scheme)
    return Upstream(scheme=scheme, host=path, port=0, weight=weight)


def flatten(value: Any) -> list[Any]:
    """The entries of ``to``: one text, a list, or lists of lists (spec/proxy §1.1)."""
    if isinstance(value, str):
        return [value]
    found: list[Any] = []
    for entry in listed(value):
        found.extend(flatten(entry) if isinstance(entry, list | tuple) else [entry])
    return found


def host_name(value: Any) -> str:
    """A host name or IP address in lower case, without a port."""
    name = text(value).strip().lower().rstrip(".")
    if not _is_ip(name.strip("[]")) and (not _LABELS.fullmatch(name) or "*" in name):
        raise DecodeError("this is not a host name", "write a name such as app.example.com")
    return name


def _split(value: Any, example: str) -> SplitResult:
    hint = f"write it as {example}"
    written = text(value).strip()
    if _BLANKS.search(written) or not written.isascii():
        raise DecodeError(
            "the URL holds blanks, control characters or letters beyond ASCII", "write xn-- names, %XX paths"
        )
    try:
        parts = urlsplit(written)
    except ValueError:
        raise DecodeError("this is not a URL", hint) from None
    if not parts.scheme:
        raise DecodeError("the URL has no scheme", hint)
    if parts.scheme in DEFAULT_PORTS and not parts.netloc:
        raise DecodeError("the URL has no host", hint)
    if "@" in parts.netloc:
        raise DecodeError("a URL must not hold a user name or password")
    if parts.fragment:
        raise DecodeError("the URL has a fragment", "leave out what follows the #")
    return parts


def host_and_port(authority: str, *, wildcards: bool = False) -> tuple[str, int | None]:
    """Host in lower case, IPv6 in its canonical form and brackets, and the port where one is written.

    ``wildcards``: whether the host may hold ``*``. Raises DecodeError.
    """
    bracketed = re.fullmatch(r"(\[[^\]]+\])(?::(.*))?", authority)
    if bracketed:
        host, port = _bracketed_ipv6(bracketed[1]), bracketed[2]
        valid = bool(host)
    else:
        name, colon, rest = authority.partition(":")
        host, port = name.lower().rstrip("."), rest if colon else None
        valid = bool(_LABELS.fullmatch(host))
    if not valid:
        raise DecodeError("the host is not a host name or IP address")
    if "*" in host and not wildcards:
        raise DecodeError("the host cannot hold *")
    if port is None:
        return host, None
    number = _port(port, "the port is a number from 1 to 65535")
    if not number:
        raise DecodeError("port 0 cannot be reached", "the port is a number from 1 to 65535")
    return host, number


def _bracketed_ipv6(written: str) -> str:
    """The canonical form of ``[address]``; "" for what is none."""
    try:
        return f"[{canonical_ipv6(written[1:-1])}]"
    except ValueError:
        return ""


def _is_ip(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def _port(written: str, hint: str) -> int:
    if not _PORT.fullmatch(written) or int(written) > _MAX_PORT:
        raise DecodeError("the port is not a number up to 65535", hint)
    return int(written)


def _weight(written: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", written.strip()) or int(written) == 0:
        raise DecodeError("a weight is a whole number above 0", "write the upstream as URL,weight")
    if int(written) > MAX_WEIGHT:
        raise DecodeError(f"a weight is {MAX_WEIGHT} at most", "only what they are beside each other counts")
    return int(written)


def authority(value: Any) -> str:
    """``host`` or ``host:port`` as it is written; blank text stands for none."""
    found = text(value).strip()
    if "/" in found:
        raise DecodeError("a host is expected here, not a URL", "write app.example.com, or with :port")
    if found:
        host_and_port(found)
    return found


WebURL = Annotated[str, PlainValidator(parse_web_url)]
Service = Annotated[ServiceURL, PlainValidator(parse_service_url)]
From = Annotated[FromURL, PlainValidator(parse_from)]
HostName = Annotated[str, PlainValidator(host_name)]
Authority = Annotated[str, PlainValidator(authority)]
"""As written; :func:`host_and_port` tells its parts."""
