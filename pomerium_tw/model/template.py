"""Values of ``set_request_headers``: text with references such as ``${pomerium.jwt}`` (spec/ppl §7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

Reference = tuple[str, ...]
"""The names of a reference in their order: ``${a.b["c"]}`` is ``("a", "b", "c")``."""

REFERENCES: Final[frozenset[Reference]] = frozenset(
    ("pomerium", name)
    for name in (
        "access_token",
        "id_token",
        "jwt",
        "client_cert_fingerprint",
        "client_cert_san_dns",
        "client_cert_san_email",
    )
)
"""Those that stand for something, besides the ones below :data:`HEADER_REFERENCE`."""
HEADER_REFERENCE: Final[Reference] = ("pomerium", "request", "headers")
"""With the name of a header behind it: what the client sent."""

_NAME = r"[0-9A-Za-z_-]++"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_INNER = rf"\s*+{_NAME}(?:\s*+\.\s*+{_NAME}|\s*+\[\s*+{_QUOTED}\s*+\])*\s*+"
# Possessive names: text that is almost a reference is given up at once, not tried in other ways.
_VARIABLE = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAME}(?:\.{_NAME})*)|\{{(?P<braced>{_INNER})\}})", re.DOTALL
)
_PART = re.compile(rf"(?P<name>{_NAME})|(?P<quoted>{_QUOTED})", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """A value, read once: texts and references in their order.

    ``$$`` is one dollar sign; what does not read as a reference is text as it stands. Nothing is an error.
    """

    parts: tuple[str | Reference, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        parts: list[str | Reference] = []
        literal = ""
        end = 0
        for found in _VARIABLE.finditer(text):
            literal += text[end : found.start()]
            end = found.end()
            if found["dollar"]:
                literal += "$"
                continue
            if literal:
                parts.append(literal)
                literal = ""
            parts.append(_names(found["bare"] or found["braced"]))
        literal += text[end:]
        return cls((*parts, literal) if literal else tuple(parts))

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(part for part in self.parts if not isinstance(part, str))

    def render(self, resolve: Callable[[Reference], str]) -> str:
        """The value with each reference replaced, once: what ``resolve`` says is not read again."""
        return "".join([part if isinstance(part, str) else resolve(part) for part in self.parts])


def is_known(reference: Reference) -> bool:
    """Whether it stands for something."""
    below = reference[: len(HEADER_REFERENCE)] == HEADER_REFERENCE
    return reference in REFERENCES or (below and len(reference) == len(HEADER_REFERENCE) + 1)


def plain_pieces(text: str) -> list[str]:
    """The text between its references and ``$$``: where something like a reference is left, none was read."""
    pieces = []
    end = 0
    for found in _VARIABLE.finditer(text):
        pieces.append(text[end : found.start()])
        end = found.end()
    return [*pieces, text[end:]]


def _names(written: str) -> Reference:
    return tuple(
        found["name"] or _ESCAPED.sub(r"\1", found["quoted"][1:-1]) for found in _PART.finditer(written)
    )
