"""Paths of routes that no request has: the route is passed over, and a wider one answers in its place.

Requests come with one normal form of their path, unescaped once (spec/proxy §2.4, §3.6). What Pomerium would
match and we cannot is an error; what matches nothing there either, or is refused here, is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pomerium_tw.model import OWN_PREFIXES, reserved

from .pattern_needs import bounds, holds, needs
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_RULES = ("regex", "path", "prefix")
"""The first that is set counts (spec/proxy §2.4)."""
_ESCAPES = r"(?:\\?%[0-9A-Fa-f]{2})+"
_LIKE_ESCAPES = r"\\?%[0-9A-Fa-f]?(?:[0-9A-Fa-f]|\[|\(|\\d)"
"""In a pattern: what seems to be an escape, written with classes or groups too."""
_SPECIAL = re.compile(r"[\\.+*?()\[\]{}|^$]")
_LITERAL = re.compile(r"\^?((?:[A-Za-z0-9_/-]|\\[.-])+)\$?")


class _Fault(NamedTuple):
    """Why a path rule does not match; the key stands before the message."""

    message: str
    hint: str
    warning: bool = True


class _Piece(NamedTuple):
    """What no path holds, as regular expressions."""

    text: str
    """In ``path`` and ``prefix``."""
    pattern: str
    """In ``regex``, as it is written there."""


_Needs = Callable[[_Piece], bool]
"""Whether every match holds this piece."""

_CONTROL = _Piece(r"[\x00-\x1f\x7f]", r"[\x00-\x1f\x7f]")
_PARAMETERS = _Piece(";", r"\\?;")
_DOTS = _Piece(r"/\.{1,2}(?:/|\Z)", r"/(?:\\\.){1,2}/")
_SLASHES = _Piece("//", r"(?:\\?/){2}")
_BACKSLASH = _Piece(r"\\", r"\\\\")
_MARKS = (("?", "%3F", _Piece(r"\?", r"\\\?")), ("#", "%23", _Piece("#", r"\\?#")))

_ESCAPED = "holds an escape, and routes see paths unescaped: it never matches"
_NO_CONTROL = _Fault("never matches: paths with control characters are refused", "leave them out")
_NO_PARAMETERS = _Fault(
    "never matches: a path must be on the same route without the ; and what follows",
    "leave the ; out, or write a regex that takes both, such as /a(;x)?",
)
_NO_DOTS = _Fault("never matches: . and .. are resolved before", "write the path that is meant")
_NO_SLASHES = _Fault("never matches: several slashes become one before", "write one /")
_NO_BACKSLASH = _Fault("never matches: no path holds a backslash", "write /")
_RESERVED = _Fault("never matches: pomerium_tw answers this address itself", "choose another path")


def findings(settings: Settings) -> Iterator[Finding]:
    """What no path of a request fulfils, by the path rule in force of each route."""
    for path, route in settings.all_routes:
        name = next((rule for rule in _RULES if getattr(route, rule)), "")
        fault = None
        if name == "regex":
            fault = _of_regex(settings, route)
        elif name and getattr(route, name).startswith("/"):
            fault = _of_text(settings, route, getattr(route, name), exact=name == "path")
        if fault is not None:
            yield Finding((*path, name), f"{name} {fault.message}", fault.hint, fault.warning)


def _of_text(settings: Settings, route: RouteSettings, written: str, *, exact: bool) -> _Fault | None:
    if re.search(_ESCAPES, written):
        return _Fault(_ESCAPED, _unescaped(settings, route, written), warning=False)
    # What goes on behind two dots need not be a segment's end.
    sought = written if exact else written.rstrip(".")
    fault = _never(settings, route, lambda piece: re.search(piece.text, sought) is not None)
    if fault is None and (reserved(written) if exact else written.startswith(OWN_PREFIXES)):
        return _RESERVED
    return fault


def _of_regex(settings: Settings, route: RouteSettings) -> _Fault | None:
    pattern = route.regex
    if needs(pattern, _ESCAPES):
        return _Fault(_ESCAPED, _unescaped_pattern(pattern), warning=False)
    low, high = bounds(pattern)
    if high < b"/" or low >= b"0":
        return _Fault(
            "never matches: paths begin with /", "it must match the whole path: write / or .* first"
        )
    if holds(pattern, _LIKE_ESCAPES):
        message = "seems to hold an escape, and routes see paths unescaped: that part never matches"
        return _Fault(message, f"{_unescaped_pattern(pattern)}; for a percent sign in the path, write [%]")
    fault = _never(settings, route, lambda piece: needs(pattern, piece.pattern))
    if fault is None and _is_reserved(pattern, low, high):
        return _RESERVED
    return fault


def _never(settings: Settings, route: RouteSettings, needed: _Needs) -> _Fault | None:
    """What both notations have in common."""
    if needed(_CONTROL):
        return _NO_CONTROL
    if needed(_PARAMETERS):
        return _NO_PARAMETERS
    if settings.normalize_path and needed(_DOTS):
        return _NO_DOTS
    if not _keeps_slashes(settings, route):
        if needed(_BACKSLASH):
            return _NO_BACKSLASH
        if settings.merge_slashes and needed(_SLASHES):
            return _NO_SLASHES
    for mark, escape, piece in _MARKS:
        if needed(piece):
            message = f"matches no path but those that callers write with {escape}"
            hint = f"leave the {mark} and what follows out; if it is meant, write [{mark}] in a regex"
            return _Fault(message, hint)
    return None


def _keeps_slashes(settings: Settings, route: RouteSettings) -> bool:
    """Whether paths may hold what came escaped: a backslash, and several slashes."""
    action = route.path_with_escaped_slashes_action or settings.path_with_escaped_slashes_action
    return action == "keep_unchanged"


def _is_reserved(pattern: str, low: bytes, high: bytes) -> bool:
    """Whether all matches are addresses that we answer ourselves."""
    literal = _LITERAL.fullmatch(pattern)
    if literal is not None:
        return reserved(literal[1].replace("\\", ""))
    return any(low.startswith(own) and high.startswith(own) for own in map(str.encode, OWN_PREFIXES))


# -- what to write in the place of escapes


def _unescaped(settings: Settings, route: RouteSettings, written: str) -> str:
    found = _plain(written)
    if found is None:
        return "leave the route out: paths with control characters, or that are no UTF-8, are refused"
    if re.search(_ESCAPES, found):
        return "write it as a regex, unescaped once, with [%] for the percent sign that stays"
    hint = f"write {found}"
    if re.search("(?i)%2f|%5c", written) and not _keeps_slashes(settings, route):
        hint += ", and set path_with_escaped_slashes_action: keep_unchanged"
    return hint


def _unescaped_pattern(pattern: str) -> str:
    unreadable = False

    def literal(found: re.Match[str]) -> str:
        nonlocal unreadable
        plain = _plain(found[0].replace("\\", ""))
        unreadable = unreadable or plain is None
        return _SPECIAL.sub(r"\\\g<0>", plain or "").replace("%", "[%]")

    meant = re.sub(_ESCAPES, literal, pattern)
    return "write what the escape stands for" if unreadable or meant == pattern else f"write {meant}"


def _plain(escaped: str) -> str | None:
    """None for what no path of a request holds."""
    try:
        found = unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if re.search(_CONTROL.text, found) else found
