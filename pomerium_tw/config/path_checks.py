"""Paths of routes that no request has: the route is passed over, and a wider one answers in its place.

Requests come with one normal form of their path, unescaped once (spec/proxy §2.4, §3.6). What Pomerium would
match and we cannot is an error; what matches nothing there either, or is refused here, is a warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import yaml

from pomerium_tw.model import OWN_PREFIXES, reserved

from .pattern_needs import bounds, holds, needs, replaced
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_RULES = ("regex", "path", "prefix")
"""The first that is set counts (spec/proxy §2.4)."""
_ESCAPES = r"(?:\\?%[0-9A-Fa-f]{2})+"
_DIGIT = r"(?:[0-9A-Fa-f]|\\d|\[[0-9A-Fa-f-]+\])"
_LIKE_ESCAPES = rf"\\?%(?:{_DIGIT}(?:{_DIGIT}|\{{2\}})|[0-9A-Fa-f][\[(])"
"""In a pattern: what seems to be an escape, written with classes or groups too; no sign before a word."""
_ESCAPED_SLASHES = "%(?:2[fF]|5[cC])"
_SPECIAL = re.compile(r"[\\.+*()\[\]{}|^$]")
_ALONE = re.compile("[%?#]")
"""Characters that a regular expression holds in a class of their own, to say that they are meant."""
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

_ESCAPED = "holds an escape, and routes see paths unescaped: it matches only what is escaped twice"
_SEEMS_ESCAPED = (
    "seems to hold an escape, and routes see paths unescaped: that part matches only what is escaped twice"
)
_PERCENT = "; for a percent sign in the path, write a regex with [%]"
_REFUSED = "leave the route out: paths with control characters, or that are no UTF-8, are refused"
_NO_CONTROL = _Fault("never matches: paths with control characters are refused", "leave them out")
_NO_PARAMETERS = _Fault(
    "never matches: a path must be on the same route without the ; and what follows",
    "leave the ; out, or write a regex that takes both, such as /a(;x)?",
)
_NO_DOTS = _Fault("never matches: . and .. are resolved before", "write the path that is meant")
_NO_SLASHES = _Fault("never matches: several slashes become one before", "write one /")
_NO_BACKSLASH = _Fault("never matches: no path holds a backslash", "write /")
_NO_SLASH = _Fault("never matches: paths begin with /", "it must match the whole path: write / or .* first")
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
        hint = _unescaped(settings, route, written, exact=exact)
        return _Fault(_ESCAPED, hint + _PERCENT, warning=False)
    keeps = _keeps_slashes(settings, route)
    return _never_text(settings, written, exact=exact, keeps=keeps) or _only_escaped(
        lambda piece: re.search(piece.text, written) is not None
    )


def _of_regex(settings: Settings, route: RouteSettings) -> _Fault | None:
    pattern = route.regex
    if needs(pattern, _ESCAPES):
        return _Fault(_ESCAPED, _unescaped_pattern(settings, route) + _PERCENT, warning=False)
    never = _never_pattern(settings, pattern, keeps=_keeps_slashes(settings, route))
    if never is None and holds(pattern, _LIKE_ESCAPES):
        return _Fault(_SEEMS_ESCAPED, _unescaped_pattern(settings, route) + _PERCENT)
    return never or _only_escaped(lambda piece: needs(pattern, piece.pattern))


def _never_text(settings: Settings, written: str, *, exact: bool, keeps: bool) -> _Fault | None:
    """Why nothing matches a ``path`` or ``prefix``. ``keeps``: see :func:`_keeps_slashes`."""
    # What goes on behind two dots need not be a segment's end.
    sought = written if exact else written.rstrip(".")
    fault = _never(settings, lambda piece: re.search(piece.text, sought) is not None, keeps=keeps)
    if fault is None and (reserved(written) if exact else written.startswith(OWN_PREFIXES)):
        return _RESERVED
    return fault


def _never_pattern(settings: Settings, pattern: str, *, keeps: bool) -> _Fault | None:
    """Why nothing matches a ``regex``."""
    low, high = bounds(pattern)
    if high < b"/" or low >= b"0":
        return _NO_SLASH
    fault = _never(settings, lambda piece: needs(pattern, piece.pattern), keeps=keeps)
    return _RESERVED if fault is None and _is_reserved(pattern, low, high) else fault


def _never(settings: Settings, needed: _Needs, *, keeps: bool) -> _Fault | None:
    """What both notations have in common."""
    if needed(_CONTROL):
        return _NO_CONTROL
    if needed(_PARAMETERS):
        return _NO_PARAMETERS
    if settings.normalize_path and needed(_DOTS):
        return _NO_DOTS
    if not keeps:
        if needed(_BACKSLASH):
            return _NO_BACKSLASH
        if settings.merge_slashes and needed(_SLASHES):
            return _NO_SLASHES
    return None


def _only_escaped(needed: _Needs) -> _Fault | None:
    """What only paths hold whose callers escape it, and queries or fragments otherwise."""
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


def _unescaped(settings: Settings, route: RouteSettings, written: str, *, exact: bool) -> str:
    found = _plain(written)
    if found is None:
        return _REFUSED
    keeps = _keeps_slashes(settings, route)
    slashes = re.search(_ESCAPED_SLASHES, written) is not None
    never = _never_text(settings, found, exact=exact, keeps=keeps or slashes)
    as_regex = re.search(_ESCAPES, found) or "?" in found or "#" in found
    rule = _literal(found) + ("" if exact else ".*") if as_regex else found
    return _instead(("regex: " if as_regex else "") + _in_yaml(rule), never, keep=slashes and not keeps)


def _unescaped_pattern(settings: Settings, route: RouteSettings) -> str:
    unreadable = False

    def literal(found: str) -> str:
        nonlocal unreadable
        plain = _plain(found.replace("\\", ""))
        unreadable = unreadable or plain is None
        return _literal(plain or "")

    meant = replaced(route.regex, _ESCAPES, literal)
    if unreadable:
        return _REFUSED
    if holds(meant, _LIKE_ESCAPES):
        return "write what the escape stands for"
    keeps = _keeps_slashes(settings, route)
    slashes = holds(route.regex, _ESCAPED_SLASHES)
    never = _never_pattern(settings, meant, keeps=keeps or slashes)
    return _instead(_in_yaml(meant), never, keep=slashes and not keeps)


def _instead(rule: str, never: _Fault | None, *, keep: bool) -> str:
    """To write this, unless it ``never`` matches either. ``keep``: whether escaped slashes must be let in."""
    if never is not None:
        return f"unescaped, it {never.message}; {never.hint}"
    return f"write {rule}" + (", and set path_with_escaped_slashes_action: keep_unchanged" if keep else "")


def _literal(plain: str) -> str:
    """A regular expression of this text alone, of which nothing else is to be said."""
    return _ALONE.sub(r"[\g<0>]", _SPECIAL.sub(r"\\\g<0>", plain))


def _in_yaml(value: str) -> str:
    """As it stands behind a key, in quotes where block or flow style needs them."""
    written: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=math.inf)
    return written.rstrip("\n")[1:-1]


def _plain(escaped: str) -> str | None:
    """None for what no path of a request holds."""
    try:
        found = unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if re.search(_CONTROL.text, found) else found
