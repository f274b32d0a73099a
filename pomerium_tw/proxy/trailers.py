"""The trailers of an upstream's answer, less what would change the meaning of an answer already begun.

Those of a request are dropped: no upstream expects one from us (spec/threats SM-14).
"""

from __future__ import annotations

from .header_names import HEADER_LINE, HOP_BY_HOP, REBUILT, UNTRUSTED, alias
from .response import ResponseRules

_OF_THE_HEAD = frozenset(
    (
        b"age",
        b"authorization",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-location",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"date",
        b"expires",
        b"location",
        b"max-forwards",
        b"pragma",
        b"retry-after",
        b"set-cookie",
        b"strict-transport-security",
        b"vary",
        b"www-authenticate",
    )
)
"""Control data, which no trailer may carry (RFC 9110 §6.5.1): a client that merges trailers would obey it."""
_KEPT = _OF_THE_HEAD | HOP_BY_HOP | REBUILT | UNTRUSTED


def passed_trailers(section: bytes, rules: ResponseRules) -> bytes:
    """The lines of a trailer section, as checked by ChunkedDecoder, that may go downstream."""
    passed = []
    for line, name, value in HEADER_LINE.findall(section):
        lower = name.lower()
        spelled = {lower, alias(name)}
        kept = spelled & _KEPT or spelled & rules.overwritten or rules.forbids(lower, value)
        if not kept:
            passed.append(line)
    return b"".join(passed)
