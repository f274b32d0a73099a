"""The authorize log: one JSON line for every decision (spec/ppl §8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from ..model import ANONYMOUS, MAX_MEMO, Decision, Identity, Request, Route, Session
from .access import clip, escaped, escaped_query, header_fragment
from .lines import LineWriter
from .stamp import Stamp
from .template import Line

DEFAULT_AUTHORIZE_FIELDS = (
    "request-id",
    "check-request-id",
    "method",
    "path",
    "host",
    "ip",
    "session-id",
    "impersonate-session-id",
    "impersonate-user-id",
    "impersonate-email",
    "removed-groups-count",
    "service-account-id",
    "user",
    "email",
    "envoy-route-checksum",
    "envoy-route-id",
    "route-checksum",
    "route-id",
)
MAX_ENDINGS = 4096
"""Decisions whose text is kept: they are shared objects, as few as the policies have outcomes."""

Standing = Callable[[Request, Route, Identity], str]

_MOVING = {
    "request-id": ',"request-id":"{request_id}"',
    "check-request-id": ',"check-request-id":"{request_id}"',
    "method": ',"method":"{method}"',
    "path": ',"path":{escaped(target[0])}',
    "host": ',"host":{quote(clip(request.authority))}',
    "ip": ',"ip":"{peer[0]}"',
    "query": ',"query":{escaped_query(target[2])}',
    "mcp-method": "{mcp_method(request)}",
    "mcp-tool": "{mcp_tool(request)}",
}
"""Fields that differ from one request to the next; see :mod:`.template`."""


def _impersonated(name: str, fact: Callable[[Session, Identity], str]) -> Standing:
    """A field of the session that another one stands for; left out where none does."""

    def text(_request: Request, _route: Route, identity: Identity) -> str:
        if identity.presented is None or identity.session is None:
            return ""
        return f',"{name}":{quote(fact(identity.session, identity))}'

    return text


def _session_id(_request: Request, _route: Route, identity: Identity) -> str:
    return f',"session-id":{quote(identity.session_id)}' if identity.session_id else ""


def _user(_request: Request, _route: Route, identity: Identity) -> str:
    """Who asks, not whose rights he uses: that is ``impersonate-user-id``."""
    return f',"user":{quote(identity.presented.user_id if identity.presented else identity.user_id)}'


def _email(_request: Request, _route: Route, identity: Identity) -> str:
    if identity.presented is None:
        return f',"email":{quote(identity.email)}'
    own = identity.presented.claims.get("email", ())
    return f',"email":{quote(str(own[0]) if own else "")}'


def _removed_groups(_request: Request, route: Route, identity: Identity) -> str:
    """How many groups of the caller the upstream is not told."""
    if not route.jwt_groups_filter or identity.directory is None:
        return ""
    told = identity.directory.groups_among(route.jwt_groups_filter)
    removed = len(identity.directory.groups) - len(told)
    return f',"removed-groups-count":{removed}' if removed else ""


def _claims(_request: Request, _route: Route, identity: Identity) -> str:
    """The claims of the session, those of the id token among them."""
    if identity.session is None:
        return ""
    claims = {name: list(values) for name, values in identity.session.claims.items()}
    return f',"id-token-claims":{json.dumps(claims)}'


_STANDING: dict[str, Standing] = {
    "session-id": _session_id,
    "impersonate-session-id": _impersonated("impersonate-session-id", lambda session, _identity: session.id),
    "impersonate-user-id": _impersonated("impersonate-user-id", lambda session, _identity: session.user_id),
    "impersonate-email": _impersonated("impersonate-email", lambda _session, identity: identity.email),
    "removed-groups-count": _removed_groups,
    "user": _user,
    "email": _email,
    "id-token-claims": _claims,
    "route-checksum": lambda _request, route, _identity: f',"route-checksum":{route.checksum}',
    "route-id": lambda _request, route, _identity: f',"route-id":"{route.id}"',
    "cluster-stat-name": lambda _request, route, _identity: f',"cluster-stat-name":{quote(route.name)}',
}
"""Fields that stay the same while one caller uses one route."""

_NEVER = frozenset(("envoy-route-checksum", "envoy-route-id", "mcp-tool-parameters", "service-account-id"))
"""Fields of what there is not here (yet): they are left out, as every field is that does not apply."""

AUTHORIZE_FIELDS = frozenset((*_MOVING, *_STANDING, *_NEVER, "headers"))
"""Fields that may be chosen; ``headers.NAME`` may be too."""


class DecisionLog:
    """Writes who asked for what, what was decided and why."""

    def __init__(
        self, writer: LineWriter, fields: Iterable[str] = DEFAULT_AUTHORIZE_FIELDS, *, enabled: bool = True
    ) -> None:
        self._later = writer.later
        self._enabled = enabled
        fields = tuple(fields)
        headers = header_fragment(fields)
        names = {
            "clip": clip,
            "escaped": escaped,
            "escaped_query": escaped_query,
            "headers": headers,
            "mcp_method": _mcp_method,
            "mcp_tool": _mcp_tool,
            "quote": quote,
            "stamp": Stamp(),
            "ending": self._ending,
        }
        line = Line(
            "now, request, route, identity, decision, memo",
            "request_id, method, _, target, _, peer, *_ = request",
            '{{"level":"info","time":"{stamp(now)}","message":"authorize check","service":"authorize"',
            _MOVING,
            _STANDING,
            _remembered,
            "request, route, identity, memo",
            names,
        )
        end = "{ending(decision)}}}" if headers is None else "{headers(request.head)}{ending(decision)}}}"
        self._line = line.compile(fields, end)
        self._endings: dict[int, tuple[Decision, str]] = {}

    def record(
        self,
        now: float,
        request: Request,
        route: Route,
        identity: Identity,
        decision: Decision,
        *,
        memo: dict[Any, Any],
    ) -> None:
        """``now``: seconds since the epoch. ``memo``: the caller's own; for ANONYMOUS one that lives as long
        as the routes do, and grows with their number.
        """
        if not self._enabled:
            return
        self._later(self._line, now, request, route, identity, decision, memo)

    def _ending(self, decision: Decision) -> str:
        """Values and reasons. Decisions are shared: the entry keeps its decision, and so its id, alive."""
        found = self._endings.get(id(decision))
        if found is not None:
            return found[1]
        ending = _reasons(decision)
        if len(self._endings) < MAX_ENDINGS:
            self._endings[id(decision)] = (decision, ending)
        return ending


def _remembered(names: tuple[str, ...]) -> Callable[[Request, Route, Identity, dict[Any, Any]], str]:
    """Standing fields as one text, which ``memo`` remembers of the caller for each route."""

    def text(request: Request, route: Route, identity: Identity, memo: dict[Any, Any]) -> str:
        key = (text, route.id, route.checksum)
        found: str | None = memo.get(key)
        if found is None:
            found = "".join([_STANDING[name](request, route, identity) for name in names])
            if len(memo) >= MAX_MEMO and identity is not ANONYMOUS:
                memo.clear()
            memo[key] = found
        return found

    return text


def _mcp_method(request: Request) -> str:
    return f',"mcp-method":{quote(clip(request.mcp.method))}' if request.mcp else ""


def _mcp_tool(request: Request) -> str:
    return f',"mcp-tool":{quote(clip(request.mcp.tool))}' if request.mcp and request.mcp.tool else ""


def _reasons(decision: Decision) -> str:
    parts = []
    for action, value, reasons in (
        ("allow", decision.allow, decision.allow_reasons),
        ("deny", decision.deny, decision.deny_reasons),
    ):
        names = ",".join(quote(reason) for reason in sorted(reasons))
        parts.append(f',"{action}":{str(value).lower()},"{action}-why-{str(value).lower()}":[{names}]')
    return "".join(parts)
