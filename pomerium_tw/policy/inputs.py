"""What decisions depend on, by name; and with that, how long one may be used again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pomerium_tw.model import Identity, Request

Read = Callable[[Request, Identity], Hashable]

_READ: Final[Mapping[str, Read | None]] = MappingProxyType(
    {
        # An identity is a new object whenever one of its records changes.
        "identity": lambda _request, identity: identity,
        "method": lambda request, _identity: request.method,
        "scheme": lambda request, _identity: request.scheme,
        "host": lambda request, _identity: request.authority,
        # With its escapes: two spellings of one path are not one to everybody.
        "path": lambda request, _identity: request.target.raw_path,
        "query": lambda request, _identity: request.target.query,
        "headers": lambda request, _identity: request.head.fields,
        "address": lambda request, _identity: request.peer,
        "certificate": lambda request, _identity: request.certificate,
        "mcp": lambda request, _identity: request.mcp,
        "ssh": lambda request, _identity: request.ssh,
        # These change by themselves.
        "records": None,
        "time": None,
    }
)

INPUTS: Final = frozenset(_READ)
"""What a criterion may read: the outcome of a policy changes with nothing else.

``identity`` is session, user, directory record, devices and claims; ``host`` has the port in it; ``address``
is that of the direct peer; ``certificate`` counts as presented and as good or not; ``records`` are external
data.
"""


def values_of(reads: frozenset[str], request: Request, identity: Identity) -> tuple[Any, ...] | None:
    """The values of inputs: while they are equal, so is the outcome of a policy that reads no more.

    None where it may differ at the next moment all the same.
    """
    readers = [_READ[name] for name in sorted(reads)]
    known = [read(request, identity) for read in readers if read is not None]
    return tuple(known) if len(known) == len(readers) else None
