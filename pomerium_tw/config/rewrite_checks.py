"""Rewriting that never finds what it is about (spec/proxy §2.5, §3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .headers import CREDENTIALS, REMOVED, UNTRUSTED_PREFIXES, alias
from .pattern_needs import bounds, finds_empty, needs, outline
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings
from .without_upstream import answers_itself

_PATTERNS = ("regex_rewrite_pattern", "host_path_regex_rewrite_pattern")
_ANCHOR = re.compile(r"(?:\(\?[a-z]+\))?(?:\^|\\A)(?![*?+{])")
_ONE_WAY = re.compile(r"(?:\([^()]*\)|[^|()])*", re.DOTALL)
"""In the outline of a pattern: alternatives in groups alone, so that the anchor before is one of all."""
_NOT_SENT = r"[^\x21-\x7e]|\\[ ?#\\]|#"
"""In a pattern: characters that stand escaped in every path that is sent, or not at all."""

REMOVED_PREFIXES = ("x-pomerium-", *UNTRUSTED_PREFIXES)
_WRITTEN = "x-envoy-external-address"
_ASSERTION = "x-pomerium-jwt-assertion"


def findings(settings: Settings) -> Iterator[Finding]:
    """Patterns that find nothing in the path that is sent, and headers that no upstream gets."""
    for path, route in settings.all_routes:
        if answers_itself(route):
            continue
        for name in _PATTERNS:
            if (pattern := getattr(route, name)) and _finds_nothing(pattern):
                message = f"{name} never finds anything: it searches the path as it is sent"
                yield Finding((*path, name), message, "begin with ^/, and write blanks as %20", warning=True)
        if route.host_rewrite_header and not route.host_rewrite:
            yield from (
                Finding((*path, *each.path), each.message, each.hint, each.warning)
                for each in _host_header(settings, route)
            )


def _finds_nothing(pattern: str) -> bool:
    if finds_empty(pattern):
        # Such as ^, to put something before the path.
        return False
    if needs(pattern, _NOT_SENT):
        return True
    low, high = bounds(pattern)
    return _is_anchored(pattern) and (high < b"/" or low >= b"0")


def _is_anchored(pattern: str) -> bool:
    """Whether all its matches are at the beginning; False where that is hard to tell."""
    anchor = _ANCHOR.match(pattern)
    rest = None if anchor is None else outline(pattern[anchor.end() :])
    return rest is not None and _ONE_WAY.fullmatch(rest) is not None


def _host_header(settings: Settings, route: RouteSettings) -> Iterator[Finding]:
    """Whether the header can be there, and be a host."""
    name = alias(route.host_rewrite_header)
    if name in {alias(each) for each in route.set_request_headers}:
        return
    if name in CREDENTIALS:
        message = f"{route.host_rewrite_header} holds what callers sign in with, never a host"
        yield Finding(("host_rewrite_header",), message, "name a header that holds a host")
    elif _is_removed(settings, route, name):
        message = f"host_rewrite_header never finds {route.host_rewrite_header}: callers do not speak for it"
        hint = "name another header, or host_rewrite with the host that is meant"
        yield Finding(("host_rewrite_header",), message, hint, warning=True)


def _is_removed(settings: Settings, route: RouteSettings, name: str) -> bool:
    """Whether no upstream gets such a header, neither from the caller nor from us."""
    claims = {alias(each) for each in settings.jwt_claims_headers}
    if name == _WRITTEN or (settings.passes_identity(route) and name in {_ASSERTION, *claims}):
        return False
    return name in REMOVED or name in claims or name.startswith(REMOVED_PREFIXES)
