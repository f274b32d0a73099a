"""From the bytes of one request head to one immutable Request, remembering what a client repeats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..model import ClientCertificate, Head, Peer, Request, Target
from .client_address import NO_TRUST, Client, client_of
from .head import HeadError, parse_head
from .target import MAX_TARGET_BYTES, PLAIN_PATH, parse_request_line, parse_target

if TYPE_CHECKING:
    from .generation import Generation
    from .listener import Listener

MEMO_BLOCKS = 4
"""Header blocks remembered per connection: a client repeats its own, and can evict nobody else's."""
MEMO_BYTES = 16 * 1024
"""Longer blocks are not remembered."""

_NOT_OFFERED = frozenset(("CONNECT", "TRACE"))
"""No CONNECT yet; and an upstream's echo would show the client what only the upstream may see."""
_METHODS = {each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_PLAIN_LINE = re.compile(
    b"(" + b"|".join(_METHODS) + b") (" + PLAIN_PATH + rb")(?:\?([\x21\x22\x24-\x7e]*+))? HTTP/1\.1"
)
"""Request lines whose path is its own normal form (see :mod:`.target`), split while they are matched."""
_tuple = tuple.__new__
"""Makes the named tuples of each request: their own constructors are Python code, 0.3 µs slower."""


class RequestReader:
    """Reads the requests of one connection. Header blocks repeat, request lines do not."""

    __slots__ = ("_listener", "_memo", "_own", "certificate", "peer")

    def __init__(self, listener: Listener, peer: Peer) -> None:
        self._listener = listener
        self._memo: dict[bytes, tuple[Generation, Head, Client] | None] = {}
        """Block → what it means, from the second time on: what is made of blocks that never come again is let
        go at once. Holding it made requests that are all unlike 3 of 36 µs dearer."""
        self._own: Client | None = None
        self.peer = peer
        """The connection's own."""
        self.certificate: ClientCertificate | None = None
        """What the client presented; no listener asks for one yet."""

    def read(self, block: bytes, generation: Generation) -> Request:
        """``block``: a whole head without its empty line. Raises HeadError."""
        line, _, fields = block.partition(b"\r\n")
        plain = _PLAIN_LINE.fullmatch(line)
        if plain is None or len(line) > MAX_TARGET_BYTES:
            method, target, head, client = self._read_any(line, fields, generation)
        else:
            name, path, query = plain.groups()
            method = _METHODS[name]
            target = _tuple(Target, (path, path.decode("ascii"), query))
            known = self._memo.get(fields)
            if known is not None and known[0] is generation:
                _, head, client = known
            else:
                try:
                    head, client = self._understand(fields, generation)
                except HeadError as error:
                    error.method, error.target = method, target
                    raise
        peer, scheme, forwarded_for = client
        request_id = self._listener.new_request_id()
        facts = (request_id, method, scheme, target, head, peer, self.certificate, None, None, forwarded_for)
        return _tuple(Request, facts)

    def _read_any(
        self, line: bytes, fields: bytes, generation: Generation
    ) -> tuple[str, Target, Head, Client]:
        """The same of any request line, which is refused for more reasons."""
        method, raw_target = _read_line(line, fields)
        head, client = None, None
        try:
            head, client = self._understand(fields, generation)
            return method, parse_target(method, raw_target, head, generation.target_rules), head, client
        except HeadError as error:
            error.method, error.head = method, head
            error.peer = client and client[0]
            raise

    def _understand(self, fields: bytes, generation: Generation) -> tuple[Head, Client]:
        memo = self._memo
        head = parse_head(fields, generation.head_rules)
        trust = generation.trust
        if trust is NO_TRUST:
            client = self._own or self._alone()
        else:
            client = client_of(head, self.peer, self._listener.scheme, trust)
        if fields in memo:
            memo[fields] = (generation, head, client)
        elif len(fields) <= MEMO_BYTES:
            if len(memo) >= MEMO_BLOCKS:
                del memo[next(iter(memo))]
            memo[fields] = None
        return head, client

    def _alone(self) -> Client:
        """Who asks where no proxy in front of us may tell: always the same."""
        client = self._own = Client(self.peer, self._listener.scheme, self.peer.address.encode("ascii"))
        return client

    def forget(self) -> None:
        self._memo = {}


def _read_line(line: bytes, fields: bytes) -> tuple[str, bytes]:
    try:
        method, raw_target = parse_request_line(line)
    except HeadError as error:
        if error.status == 426 and b"\r\ntransfer-encoding:" in b"\r\n" + fields.lower():
            # HTTP/1.0 does not know it: where the request ends depends on the reader (RFC 9112 §6.1).
            raise HeadError(400, "HTTP/1.0 has no Transfer-Encoding") from None
        raise
    if method in _NOT_OFFERED:
        raise HeadError(405, f"{method} is not offered here", method)
    return method, raw_target
