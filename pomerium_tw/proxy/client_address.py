"""Who asks, when a proxy in front of us may tell (spec/proxy §3.2, spec/threats HS-10, HS-11).

Nobody is believed unless the configuration says so: by a number of hops, or by the networks they are in. What
cannot be read is not believed either; then the connection's own end is the one who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple

from ..model import Head, Peer

MAX_FORWARDED = 32
"""Most addresses of an ``X-Forwarded-For`` looked at, from the right, for one that is no trusted proxy's."""

Network = IPv4Network | IPv6Network
_SCHEMES = frozenset(("http", "https"))


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` count."""

    hops: int = 0
    """The client is so many places from the right (``xff_num_trusted_hops``); 0: :attr:`networks` tell."""
    networks: tuple[Network, ...] = ()
    """Where trusted proxies are (``trusted_proxies``). Beside :attr:`hops`, the nearest must be in one."""
    append: bool = True
    """Put the connection's own peer behind whom it named; otherwise (``skip_xff_append``) what came goes on
    as it came, from everybody where no :attr:`networks` say from whom."""

    @classmethod
    def of(cls, hops: int, networks: tuple[Network, ...], *, append: bool) -> Trust:
        """NO_TRUST itself where it says the same: who compares need not look inside."""
        trust = cls(hops, networks, append)
        return NO_TRUST if trust == NO_TRUST else trust


NO_TRUST = Trust()
"""Nobody is believed: the connection's own end is the one who asks."""


class Client(NamedTuple):
    """Who asks, and how, as far as we believe it."""

    peer: Peer
    scheme: str
    """``https`` or ``http``."""
    forwarded_for: bytes
    """``X-Forwarded-For`` for the upstream; empty: none."""


def own_peer(transport: Any) -> Peer:
    """A connection's other end; IPv4 clients of an IPv6 socket count as IPv4, zones are dropped."""
    peer = transport.getPeer()
    address = peer.host.partition("%")[0]
    if "." in address:
        address = address.removeprefix("::ffff:")
    return Peer(address, peer.port)


def client_of(head: Head, peer: Peer, scheme: str, trust: Trust) -> Client:
    """``peer`` and ``scheme`` are the connection's own. Pure: the same for every request with this head."""
    own = peer.address.encode("ascii")
    if not (trust.hops or trust.networks):
        return Client(peer, scheme, own if trust.append else head.get(b"x-forwarded-for") or b"")
    if not _trusted_peer(peer, trust):
        return Client(peer, scheme, own)
    sent = head.get(b"x-forwarded-for") or b""
    forwarded_for = sent
    if trust.append:
        forwarded_for = sent + b"," + own if sent else own
    if head.text(b"x-forwarded-proto").lower() in _SCHEMES:
        scheme = head.text(b"x-forwarded-proto").lower()
    return Client(_client(sent, peer, trust), scheme, forwarded_for)


def _trusted_peer(peer: Peer, trust: Trust) -> bool:
    if not trust.networks:
        return trust.hops > 0
    found = _address(peer.address)
    return found is not None and _within(found[0], trust.networks)


def _client(sent: bytes, peer: Peer, trust: Trust) -> Peer:
    """The client by an ``X-Forwarded-For``; the connection's own peer where that does not name one."""
    if not sent:
        return peer
    most = trust.hops or MAX_FORWARDED
    named = sent.decode("latin-1").rsplit(",", most)
    named = named[1:] if len(named) > most else named
    if trust.hops:
        found = _address(named[-trust.hops]) if len(named) >= trust.hops else None
        return peer if found is None else _peer(found)
    last = None
    for each in reversed(named):
        last = _address(each)
        if last is None:
            return peer
        if not _within(last[0], trust.networks):
            return _peer(last)
    # All of them are proxies: the furthest one asks for itself, unless the list goes on unread.
    return peer if last is None or len(named) == most else _peer(last)


def _address(text: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    """``1.2.3.4``, ``1.2.3.4:5``, ``::1`` or ``[::1]:5``: address and port, 0 where none is named."""
    text = text.strip(" \t")
    port = ""
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port:
            return None
    if "%" in text or (port and not (port.isascii() and port.isdigit() and len(port) <= 5)):
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found, int(port or 0)


def _peer(found: tuple[IPv4Address | IPv6Address, int]) -> Peer:
    return Peer(str(found[0]), found[1])


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
