"""``source_ip``: networks that the direct peer's address is in (spec/ppl §3, IP matcher)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion

from ..branches import Branch, Expression, Input, Operand, decided
from ..errors import PolicyError
from ..interface import ICriterion

_V4_SPACE: Final = 1 << 32
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_PLAIN: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")

_TEXT: Final = {"type": "string"}


def number_of(address: str) -> int | None:
    """An address as a number: IPv6 as it is, IPv4 below zero, so that neither is in a network of the other.

    None for what is no address.
    """
    try:
        if ":" in address:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
        return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big") - _V4_SPACE
    except (OSError, ValueError):
        return None


ADDRESS: Final = Input("address", (Operand(number_of), "(request.peer.address)"))


@implementer(ICriterion)
@dataclass(frozen=True)
class SourceIP:
    """The direct peer is in one of the networks; what a header says of the peer does not count."""

    name: str = "source_ip"
    accepts: ClassVar[str] = "an IP address or CIDR range, or a list of them"
    schema: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    )
    reads: frozenset[str] = frozenset({"address"})

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        data = criterion.data
        listed = isinstance(data, list)
        networks = [
            _network(criterion, item, (index,) if listed else ())
            for index, item in enumerate(data if listed else [data])
        ]
        return decided(_within(networks), "source-ip-ok", "source-ip-unauthorized")


def _network(criterion: Criterion, item: Any, path: tuple[int, ...]) -> tuple[int, int]:
    """(bits of the host part, number of the network without them)."""
    if not isinstance(item, str):
        hint = "operators do not go with source_ip" if isinstance(item, dict) else ""
        raise PolicyError("source_ip: expected string or array of strings", criterion.where(*path), hint)
    try:
        if not _PLAIN.fullmatch(item):
            raise ValueError(item)
        network = ipaddress.ip_network(item, strict=False)
    except ValueError:
        message = f'source_ip: expected IP or CIDR range, got: "{item}"'
        raise PolicyError(message, criterion.where(*path), "such as 192.0.2.7 or 2001:db8::/32") from None
    host_bits = network.max_prefixlen - network.prefixlen
    number = int(network.network_address)
    if isinstance(network, ipaddress.IPv4Network):
        number -= _V4_SPACE
    elif network.subnet_of(_MAPPED):
        number -= int(_MAPPED.network_address) + _V4_SPACE
    return host_bits, number >> host_bits


def _within(networks: Sequence[tuple[int, int]]) -> Expression:
    """One look-up for each length of prefix, however many networks there are."""
    by_length: dict[int, set[int]] = {}
    for host_bits, number in networks:
        by_length.setdefault(host_bits, set()).add(number)
    if not by_length:
        return ("False",)
    pieces: list[str | Operand | Input] = ["(", ADDRESS, " is not None and ("]
    for host_bits, numbers in sorted(by_length.items()):
        pieces += ["(", ADDRESS, " >> ", Operand(host_bits), ") in ", Operand(frozenset(numbers)), " or "]
    pieces[-1] = "))"
    return tuple(pieces)


CRITERIA: Final[tuple[ICriterion, ...]] = (SourceIP(),)
