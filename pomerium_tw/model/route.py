"""One route as the data path and authorize read it: plain, validated values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .secret import Secret

_EMPTY: Mapping[str, str] = MappingProxyType({})


DEFAULT_PORTS = {"http": 80, "https": 443}
"""Of URLs that name none (RFC 9110 §4.2)."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One ``to`` URL."""

    scheme: Literal["http", "https", "unix", "https+unix"]
    host: str
    """Host name or IP literal; of the unix schemes, the path of the socket."""
    port: int
    """0 of the unix schemes."""
    path: str = ""
    """Path of the URL; "" or "/" means no implicit rewrite."""
    weight: int = 1
    authority: str = ""
    """host[:port] as written: the Host header by default (spec/proxy §3.3)."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer of a redirect route; what is None stays as the client asked (spec/proxy §2.6)."""

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    prefix: str | None = None
    """Takes the place of the matched prefix; not beside :attr:`path`."""
    strip_query: bool = False
    status: int = 301


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """The answer of a route without an upstream."""

    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class Substitution:
    """What an RE2 pattern finds becomes :attr:`replacement`, in which ``\\1`` is a group."""

    pattern: str
    replacement: str


@dataclass(frozen=True, slots=True)
class HeaderRewrite:
    """A response header that begins with :attr:`prefix` begins with :attr:`value` instead."""

    header: str
    prefix: str
    value: str


@dataclass(frozen=True, slots=True)
class Route:
    """Everything of a route but its policy, which authorize holds under :attr:`id`."""

    id: str
    """Stable digest of from, path rules and targets (spec/proxy §2.2)."""
    name: str
    host: str
    """Host name of ``from`` in lower case; may hold ``*``."""
    port: int | None
    """Port of ``from`` when it is not the scheme's default."""
    upstreams: tuple[Upstream, ...] = ()
    """None of a route that answers by :attr:`redirect` or :attr:`response`."""
    redirect: Redirect | None = None
    response: DirectResponse | None = None
    prefix: str = ""
    path: str = ""
    regex: str = ""
    prefix_rewrite: str = ""
    regex_rewrite: Substitution | None = None
    """Of the path (spec/proxy §2.5)."""
    host_rewrite: str = ""
    host_rewrite_header: str = ""
    """Name of the request header whose value becomes the Host."""
    host_path_rewrite: Substitution | None = None
    """Makes the Host of the path (spec/proxy §3.3)."""
    preserve_host_header: bool = False
    escaped_slashes: Literal["keep_unchanged", "reject_request"] | None = None
    """What becomes of ``%2F`` and ``%5C`` in the path; None: as the global setting says."""
    upgrades: frozenset[str] = frozenset()
    """Protocols that a connection may be upgraded to, in lower case: ``websocket``, ``spdy/3.1``."""
    websocket_origins: tuple[str, ...] = ()
    """Origins besides the route's own that may open websockets; ``*`` stands for any (spec/threats WS-02)."""
    max_request_body: int = 0
    """Bytes; a longer body is refused with 413. 0 is no limit."""
    pass_identity_headers: bool = False
    jwt_issuer_format: Literal["hostOnly", "uri"] = "hostOnly"
    jwt_groups_filter: frozenset[str] = frozenset()
    """Ids of the directory's groups that the upstream may be told; empty for all."""
    timeout: float = 30.0
    """Seconds until the upstream must have answered in full; 0 is off."""
    idle_timeout: float = 300.0
    """Seconds in which nothing moves in either direction; 0 is off."""
    set_request_headers: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Name → value as it is written, references included (spec/ppl §7)."""
    remove_request_headers: tuple[str, ...] = ()
    set_response_headers: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Global and route values merged: what is written on every answer of this route."""
    rewrite_response_headers: tuple[HeaderRewrite, ...] = ()
    tls_skip_verify: bool = False
    tls_server_name: str = ""
    """Overrides SNI and the verified name when set."""
    tls_custom_ca: bytes = b""
    """PEM that replaces the trust store for this route when set."""
    kubernetes_service_account_token: Secret | None = None
    """Set: callers reach a Kubernetes API as users that this account impersonates."""
    show_error_details: bool = False
    idp_id: str = ""
    """Identity provider whose sessions this route accepts."""
    checksum: int = 0
    """Of all of the route as configured, its policy with it: the version that a decision was made by."""
