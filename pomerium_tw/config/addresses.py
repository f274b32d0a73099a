"""Addresses and URLs of a configuration: listeners, what callers ask for, upstreams, services."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import PlainValidator

from pomerium_tw.model import Upstream

from .problem import DecodeError
from .values import listed, text

_LABELS = re.compile(r"[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?(?:\.[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?)*")
_BLANKS = re.compile(r"[\x00-\x20\x7f]")
_PORT = re.compile(r"[0-9]{1,5}")
_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TUNNEL_SCHEMES = frozenset({"tcp+https", "udp+https", "ssh"})
_UPSTREAM_SCHEMES = frozenset({"h2c", "tcp", "udp", "ssh", "unix", "https+unix", "http+unix"})


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
        if host and not _LABELS.fullmatch(host.lower()):
            raise DecodeError("this is not a host name or IP address", hint)
    return Address(host.lower(), default_port if port is None else _port(port, hint))


def parse_service_url(value: Any) -> ServiceURL:
    """An http or https URL with no path but ``/``."""
    parts = _split(value, "https://authenticate.example.com")
    if parts.scheme not in _DEFAULT_PORTS:
        raise DecodeError(
            "a service URL begins with https://", "write it as https://authenticate.example.com"
        )
    host, port = _host_and_port(parts)
    if "*" in host:
        raise DecodeError("a service URL cannot hold *")
    if parts.path not in {"", "/"} or parts.query:
        raise DecodeError("a service URL has no path", "leave out what follows the host")
    scheme = cast("Literal['http', 'https']", parts.scheme)
    port = None if port == _DEFAULT_PORTS[scheme] else port
    return ServiceURL(str(FromURL(scheme, host, port)), scheme, host, port)


def parse_web_url(value: Any) -> str:
    """An absolute http or https URL, as written."""
    parts = _split(value, "https://www.example.com/")
    if parts.scheme not in _DEFAULT_PORTS:
        raise DecodeError("the URL must begin with https:// or http://")
    host, _ = _host_and_port(parts)
    if "*" in host:
        raise DecodeError("the URL cannot hold * in its host")
    return parts.geturl()


def parse_from(value: Any) -> FromURL:
    """A route's ``from`` (spec/proxy §2.3): scheme and host, no path other than ``/``."""
    example = "https://app.example.com"
    parts = _split(value, example)
    if parts.scheme in _TUNNEL_SCHEMES:
        raise DecodeError(
            f"routes from {parts.scheme}:// are not built yet", "use https:// or leave the route out"
        )
    if parts.scheme not in _DEFAULT_PORTS:
        raise DecodeError("from must begin with https://", f"write it as {example}")
    host, port = _host_and_port(parts)
    if parts.path not in {"", "/"} or parts.query:
        raise DecodeError("a path does not belong here", "put the path into prefix, path or regex")
    scheme = cast("Literal['http', 'https']", parts.scheme)
    return FromURL(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port)


def parse_to(value: Any) -> tuple[Upstream, bool]:
    """One ``to`` entry, ``URL[,weight]``, and whether it names a weight."""
    example = "http://10.0.0.5:8080"
    url, comma, tail = text(value).strip().rpartition(",")
    if not comma:
        url, tail = tail, ""
    parts = _split(url, example)
    if parts.scheme in _UPSTREAM_SCHEMES:
        raise DecodeError(f"upstreams of {parts.scheme}:// are not built yet", "use http:// or https://")
    if parts.scheme not in _DEFAULT_PORTS:
        raise DecodeError("an upstream begins with http:// or https://", f"write it as {example}")
    host, port = _host_and_port(parts)
    if "*" in host:
        raise DecodeError("an upstream's host cannot hold *")
    if parts.query:
        raise DecodeError("an upstream's URL has no query", "leave out what follows the ?")
    scheme = cast("Literal['http', 'https']", parts.scheme)
    upstream = Upstream(
        scheme=scheme,
        host=host.strip("[]"),
        port=_DEFAULT_PORTS[scheme] if port is None else port,
        path=parts.path,
        weight=_weight(tail) if comma else 1,
        authority=parts.netloc,
    )
    return upstream, bool(comma)


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
    if parts.scheme in _DEFAULT_PORTS and not parts.netloc:
        raise DecodeError("the URL has no host", hint)
    if "@" in parts.netloc:
        raise DecodeError("a URL must not hold a user name or password")
    if parts.fragment:
        raise DecodeError("the URL has a fragment", "leave out what follows the #")
    return parts


def _host_and_port(parts: SplitResult) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"(\[[^\]]+\])(?::(.*))?", parts.netloc)
    if bracketed:
        host, port = bracketed[1].lower(), bracketed[2]
        valid = _is_ip(host[1:-1])
    else:
        name, colon, rest = parts.netloc.partition(":")
        host, port = name.lower().rstrip("."), rest if colon else None
        valid = bool(_LABELS.fullmatch(host))
    if not valid:
        raise DecodeError("the URL's host is not a host name or IP address")
    if port is None:
        return host, None
    number = _port(port, "the port is a number from 1 to 65535")
    if not number:
        raise DecodeError("port 0 cannot be reached", "the port is a number from 1 to 65535")
    return host, number


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
    return int(written)


WebURL = Annotated[str, PlainValidator(parse_web_url)]
Service = Annotated[ServiceURL, PlainValidator(parse_service_url)]
From = Annotated[FromURL, PlainValidator(parse_from)]
HostName = Annotated[str, PlainValidator(host_name)]
