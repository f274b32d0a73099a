"""What can be known of one route's headers for its upstream before there is a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..model import Request, Route, Secret, Template
from .forwarded import FORWARDED_HEADER
from .proof import Proof, joined
from .references import Meaning, comma_list, meaning_of

Header = tuple[str, bytes]
"""Name and value."""

ASSERTION_HEADER = "X-Pomerium-Jwt-Assertion"
IMPERSONATE_GROUP = "Impersonate-Group"

_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]+")
_ALIAS = str.maketrans("_.", "--")


class RouteHeaders:
    """Templates parsed once, and whether anything in them depends on caller or request."""

    __slots__ = (
        "_claim_headers",
        "_starts",
        "_token",
        "_values",
        "constant",
        "distinct",
        "moving",
        "passes",
    )

    def __init__(self, route: Route, claim_headers: Mapping[str, str]) -> None:
        self.passes = route.pass_identity_headers
        self._claim_headers = claim_headers
        self._token: Secret | None = route.kubernetes_service_account_token
        self._values = tuple(
            (name, _compiled(Template.parse(text))) for name, text in route.set_request_headers.items()
        )
        meanings = [part for _name, parts in self._values for part in parts if isinstance(part, Meaning)]
        self.moving = any(meaning.of_request for meaning in meanings)
        """A value may differ from one request of the same caller to the next."""
        # Which names there can be is known now, so that no request spells one out: 1.6 µs a caller, not 4.
        names = tuple(self._names())
        self.distinct = len({_key(name) for name in names}) == len(names)
        """Every header is a line of its own; else :meth:`lines` joins some."""
        self._starts = {name: name.encode("ascii") + b": " for name in names}
        self.constant = (
            None
            if self.passes or self._token is not None or meanings
            else self.lines([(name, _literal(parts)) for name, parts in self._values])
        )
        """The lines, where nothing depends on anything; else None."""

    def _names(self) -> Iterator[str]:
        """Of every header that may be sent."""
        if self.passes:
            yield from (ASSERTION_HEADER, *self._claim_headers, FORWARDED_HEADER)
        if self._token is not None:
            yield from ("Authorization", "Impersonate-User", IMPERSONATE_GROUP)
        yield from (name for name, _parts in self._values)

    def of_caller(self, proof: Proof) -> tuple[Header, ...]:
        """What proves the caller, in the order of spec/ppl §7."""
        headers: list[Header] = []
        if self.passes:
            headers.append((ASSERTION_HEADER, proof.assertion.encode("ascii")))
            # Out of the assertion: a header must never say what the signed proof does not.
            headers += [
                (name, _claim(proof.payload.get(claim, ""))) for name, claim in self._claim_headers.items()
            ]
        if self._token is not None:
            headers += _impersonation(self._token, proof.payload)
        return tuple(headers)

    def configured(self, request: Request, proof: Proof) -> tuple[Header, ...]:
        """``set_request_headers``; a value of which nothing is left is sent empty."""
        if not self._values:
            return ()
        return tuple(
            (
                name,
                _one_line(
                    b"".join(
                        [
                            part if isinstance(part, bytes) else _bytes(part.value(request, proof))
                            for part in parts
                        ]
                    )
                ),
            )
            for name, parts in self._values
        )

    def lines(self, headers: Iterable[Header]) -> bytes:
        """Header lines with their CRLFs; a Kubernetes API wants one ``Impersonate-Group`` for each group
        (spec/proxy §3.8)."""
        if not self.distinct:
            headers = joined_headers(headers)
        if self._token is not None:
            headers = [each for header in headers for each in _groups_apart(header)]
        starts = self._starts
        return b"".join([b"%b%b\r\n" % (starts[name], value) for name, value in headers])


def _compiled(template: Template) -> tuple[bytes | Meaning, ...]:
    """References to what does not exist stand for nothing."""
    parts = [_bytes(part) if isinstance(part, str) else meaning_of(part) for part in template.parts]
    return tuple(part for part in parts if part is not None)


def _literal(parts: Iterable[bytes | Meaning]) -> bytes:
    return _one_line(b"".join([part for part in parts if isinstance(part, bytes)]))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


def _impersonation(token: Secret, payload: Mapping[str, Any]) -> Iterator[Header]:
    """The headers of a Kubernetes API route.

    A caller without an address gets none of them: the account's own rights are not his.
    """
    user = _claim(payload["email"])
    if not user:
        return
    yield "Authorization", b"Bearer " + _one_line(token.reveal())
    yield "Impersonate-User", user
    groups = _one_line(comma_list(payload["groups"]).encode("utf-8", "replace"))
    if groups:
        yield IMPERSONATE_GROUP, groups


def _groups_apart(header: Header) -> list[Header]:
    name, value = header
    return [(name, group) for group in value.split(b",")] if name == IMPERSONATE_GROUP else [header]


def _claim(said: Any) -> bytes:
    text = said if isinstance(said, str) else joined(said if isinstance(said, list) else (said,))
    return _one_line(text.encode("utf-8", "replace"))


def _one_line(value: bytes) -> bytes:
    """One header value: it must never end the line that it stands on."""
    return _UNPRINTABLE.sub(b" ", value).strip()


def joined_headers(headers: Iterable[Header]) -> list[Header]:
    """Each name once, however it is spelled; several values of one are joined by commas."""
    found: dict[str, Header] = {}
    for name, value in headers:
        key = _key(name)
        found[key] = (found[key][0], found[key][1] + b"," + value) if key in found else (name, value)
    return list(found.values())


def _key(name: str) -> str:
    """What is the same for all spellings of a name that an application may read as one."""
    return name.lower().translate(_ALIAS)
