"""Routes that no request reaches, since an earlier one takes all of theirs.

The first route whose path matches answers, not the one with the longest prefix (spec/proxy §2.4): a stricter
route for ``/admin`` behind one for ``/`` has no effect. Only what is sure is said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .callers import Callers, CallersOf
from .positions import KeyPath
from .problem import Finding
from .route_settings import RouteSettings
from .settings import Settings

_RULES = ("regex", "path", "prefix")
"""The first that is set counts (spec/proxy §2.4)."""
_WHO = (
    "allow_public_unauthenticated_access",
    "allow_any_authenticated_user",
    "cors_allow_preflight",
    "allowed_users",
    "allowed_domains",
    "allowed_idp_claims",
    "policy",
)
"""What tells who is let in."""
_EVERY_PATH = frozenset({".*", "/.*"})
"""Regular expressions for what ``prefix: /`` says, but for paths with line ends."""
_STARS = re.compile(r"\*{2,}")
_HTTPS_PORT = 443


@dataclass(frozen=True)
class _Place:
    """A route, where it stands, and its number in matching order."""

    rank: int
    path: KeyPath
    route: RouteSettings
    callers_of: CallersOf

    @cached_property
    def callers(self) -> Callers | None:
        return self.callers_of(self.route)

    @property
    def where(self) -> str:
        """As people name it."""
        return f"{self.path[0]}[{self.path[1]}]"


def findings(settings: Settings) -> Iterator[Finding]:
    """Of each such route one: it is the same as another, or never reached."""
    any_port, callers_of = settings.flag("match_any_incoming_port"), CallersOf(settings)
    same: dict[str, _Place] = {}
    earlier = _Earlier(any_port=any_port)
    for rank, (path, route) in enumerate(settings.all_routes):
        if not route.from_.host or not (route.to or route.redirect or route.response):
            continue
        place = _Place(rank, path, route, callers_of)
        twin, first = same.setdefault(route.id, place), earlier.taking(route)
        if twin is not place and route.to:
            message = f"this route is the same as {twin.where}: from, path rules and to are equal"
            rests_on = _keys((place, twin), ("from", *_RULES))
            yield Finding((*path, "from"), message, "remove one of the two", rests_on=rests_on)
        elif first is not None:
            yield _never_reached(place, first, strict=settings.strict_policy)
        earlier.add(place)


def _never_reached(place: _Place, first: _Place, *, strict: bool) -> Finding:
    others = None not in (place.callers, first.callers) and place.callers != first.callers
    message = f"this route is never reached: {first.where} takes all its requests"
    if others:
        message += ", and may let in other callers"
    equal = _asked(place.route) == _asked(first.route)
    hint = "remove one of the two" if equal else f"put it before {first.where}"
    rule = next((name for name in _RULES if getattr(place.route, name)), "from")
    rests_on = _keys((place, first), ("from", *_RULES, *_WHO))
    if "*" in place.route.from_.host:
        rests_on += (("runtime_flags", "match_any_incoming_port"),)
    warning = not (strict and others)
    return Finding((*place.path, "from" if equal else rule), message, hint, warning, rests_on)


def _keys(places: tuple[_Place, ...], names: tuple[str, ...]) -> tuple[KeyPath, ...]:
    return tuple((*place.path, name) for place in places for name in names)


class _Earlier:
    """The routes before one, by host and path rule: what is looked up does not grow with their number."""

    def __init__(self, *, any_port: bool) -> None:
        """``any_port``: a host without a port stands for the host with every port, not just with 443."""
        self._any_port = any_port
        self._at: defaultdict[tuple[str, int | None], _Paths] = defaultdict(_Paths)
        self._stars: defaultdict[str, set[str]] = defaultdict(set)
        """Hosts with one ``*``: what follows it → what precedes it."""

    def add(self, place: _Place) -> None:
        """The next route in matching order."""
        host = _host(place.route)
        self._at[host, place.route.from_.port].add(place)
        begin, star, end = host.partition("*")
        if star and "*" not in end:
            self._stars[end].add(begin)

    def taking(self, route: RouteSettings) -> _Place | None:
        """The first that takes every request of this one."""
        host_asked, port, found = _host(route), route.from_.port, []
        wild = "*" in host_asked
        # A host that some route names with its port belongs to these routes alone (spec/proxy §2.4).
        both = wild and port is not None and (self._any_port or port == _HTTPS_PORT)
        for host in self._wider(host_asked) if wild else (host_asked,):
            for each in (port, None) if both else (port,):
                paths = self._at.get((host, each))
                place = None if paths is None else paths.taking(route)
                if place is not None:
                    found.append(place)
        return min(found, default=None, key=lambda place: place.rank)

    def _wider(self, host: str) -> Iterator[str]:
        """Hosts with stars that have every host of this one: itself, and those of one star around it."""
        yield host
        begin, _, rest = host.partition("*")
        end = rest.rpartition("*")[2]
        for start in range(len(end) + 1):
            begins = self._stars.get(end[start:], ())
            for stop in range(len(begin) + 1) if begins else ():
                wider = f"{begin[:stop]}*{end[start:]}"
                if begin[:stop] in begins and wider != host:
                    yield wider


class _Paths:
    """The earlier routes of one host, the first one by each rule and value."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], _Place] = {}
        self._lengths: set[int] = set()
        """Of the prefixes."""

    def add(self, place: _Place) -> None:
        rule, value = _rule(place.route)
        self._first.setdefault((rule, value), place)
        if rule == "prefix":
            self._lengths.add(len(value))

    def taking(self, route: RouteSettings) -> _Place | None:
        """The first whose path rule holds wherever this route's does."""
        rule, value = _rule(route)
        # Of what a regular expression matches it is only sure that it begins with a slash.
        begin = "/" if rule == "regex" else value
        if not begin.startswith("/"):
            return None  # it has no requests, which is told already
        found = [self._first.get((rule, value))]
        found += [self._first.get(("prefix", begin[:end])) for end in self._lengths if end <= len(begin)]
        return min((each for each in found if each), default=None, key=lambda place: place.rank)


def _host(route: RouteSettings) -> str:
    """The host, where stars in a row are one."""
    return _STARS.sub("*", route.from_.host)


def _rule(route: RouteSettings) -> tuple[str, str]:
    """The path rule in force and its value; without one, every path."""
    name = next((name for name in _RULES if getattr(route, name)), "")
    return (name, getattr(route, name)) if name else ("prefix", "/")


def _asked(route: RouteSettings) -> tuple[object, ...]:
    """What requests of this route are known by, in one form for what asks for the same."""
    rule, value = _rule(route)
    if rule == "regex" and value in _EVERY_PATH:
        rule, value = "prefix", "/"
    return (_host(route), route.from_.port, rule, value)
