"""Response headers that a configuration sets, laid over those of answers that we make (spec/proxy §3.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .header_names import header_lines

_COOKIE = b"set-cookie"
_CACHING = b"cache-control"


class ConfiguredHeaders:
    """``set_response_headers`` of one route, or of answers that belong to none; made once a generation."""

    __slots__ = ("_beside_cookies", "_over_all")

    def __init__(self, headers: Mapping[str, str]) -> None:
        """``headers``: no two names of it differ only in case."""
        lines = {name.lower().encode("ascii"): header_lines({name: headers[name]}) for name in headers}
        # Sign-in lives in our own cookies: a configured one stands beside them.
        names = frozenset(lines) - {_COOKIE}
        self._over_all = names, b"".join(lines.values())
        # A session must not get into a cache that everybody is served from.
        lines.pop(_CACHING, None)
        self._beside_cookies = names - {_CACHING}, b"".join(lines.values())

    def over(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Header lines: those of ``headers`` that the configuration does not set, and the configured ones.

        An answer that sets a cookie keeps what it says of caching.
        """
        fields = [(name.lower(), name, value) for name, value in headers]
        sets_cookie = any(lower == _COOKIE for lower, _, _ in fields)
        names, lines = self._beside_cookies if sets_cookie else self._over_all
        kept = [name + b": " + value + b"\r\n" for lower, name, value in fields if lower not in names]
        kept.append(lines)
        return b"".join(kept)


NO_HEADERS = ConfiguredHeaders({})
