"""Bytes that a client may keep and ask about again by their strong ETag (RFC 9110 §8.8.3, §13.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ..model import Reply, Request

MAX_CONDITION_BYTES = 4096
"""A longer If-None-Match counts as absent; browsers send one ETag."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Bytes of one kind, with their strong ETag."""

    content_type: str
    body: bytes
    etag: bytes
    """Quoted, as it stands in the header."""

    @classmethod
    def of(cls, content_type: str, body: bytes) -> Entity:
        return cls(content_type, body, b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"')

    def reply(
        self, request: Request, cache_control: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Reply:
        """200 with the bytes, or 304 when If-None-Match shows that the client holds them."""
        common = ((b"ETag", self.etag), (b"Cache-Control", cache_control), *headers)
        if matches(request.head.get(b"if-none-match"), self.etag):
            return Reply(304, common)
        typed = (b"Content-Type", self.content_type.encode("ascii"))
        return Reply(200, (typed, (b"X-Content-Type-Options", b"nosniff"), *common), self.body)


def matches(if_none_match: bytes | None, etag: bytes) -> bool:
    """Does the condition name ``etag``? Weak comparison; ``etag`` must hold no comma."""
    if if_none_match is None or len(if_none_match) > MAX_CONDITION_BYTES:
        return False
    candidates = [item.strip(b" \t").removeprefix(b"W/") for item in if_none_match.split(b",")]
    return candidates == [b"*"] or etag in candidates
