"""The authorize log: one JSON line for every decision (spec/ppl §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote

from ..model import Decision, Identity, Request, Route
from .access import clip, escaped
from .lines import LineWriter
from .stamp import Stamp
from .template import compile_fields

DEFAULT_AUTHORIZE_FIELDS = (
    "request-id",
    "check-request-id",
    "method",
    "path",
    "host",
    "ip",
    "session-id",
    "user",
    "email",
    "route-id",
)
MAX_CALLER_MEMO = 256
"""Entries in a caller's memo beyond which no further texts are remembered there."""
MAX_ENDINGS = 4096
"""Decisions whose text is kept: they are shared objects, as few as the policies have outcomes."""

_MOVING = {
    "request-id": ',"request-id":"{request.id}"',
    "check-request-id": ',"check-request-id":"{request.id}"',
    "method": ',"method":"{request.method}"',
    "path": ',"path":{escaped(request.target.raw_path)}',
    "host": ',"host":{quote(clip(request.authority))}',
    "ip": ',"ip":"{request.peer.address}"',
    "query": ',"query":{escaped(request.target.query or b"")}',
}
"""Fields that differ from one request to the next; see :mod:`.template`."""


def _session_id(_request: Request, _route: Route, identity: Identity) -> str:
    return f',"session-id":{quote(identity.session.id)}' if identity.session else ""


_STANDING: dict[str, Callable[[Request, Route, Identity], str]] = {
    "session-id": _session_id,
    "user": lambda _request, _route, identity: f',"user":{quote(identity.user_id)}',
    "email": lambda _request, _route, identity: f',"email":{quote(identity.email)}',
    "route-id": lambda _request, route, _identity: f',"route-id":"{route.id}"',
    "cluster-stat-name": lambda _request, route, _identity: f',"cluster-stat-name":{quote(route.name)}',
}
"""Fields that stay the same while one caller uses one route."""

AUTHORIZE_FIELDS = frozenset((*_MOVING, *_STANDING))


class DecisionLog:
    """Writes who asked for what, what was decided and why."""

    def __init__(
        self, writer: LineWriter, fields: Iterable[str] = DEFAULT_AUTHORIZE_FIELDS, *, enabled: bool = True
    ) -> None:
        self._writer = writer
        self._enabled = enabled
        scope = {"clip": clip, "escaped": escaped, "quote": quote}
        parameters = "request, route, identity"
        self._fields = compile_fields(parameters, fields, _MOVING, scope, _STANDING, _remembered)
        self._stamp = Stamp()
        self._endings: dict[int, tuple[Decision, str]] = {}

    def record(
        self, now: float, request: Request, route: Route, identity: Identity, decision: Decision
    ) -> None:
        if not self._enabled:
            return
        body = self._fields(request, route, identity)
        start = (
            f'{{"level":"info","time":"{self._stamp(now)}","message":"authorize check","service":"authorize"'
        )
        self._writer.line(f"{start}{body}{self._ending(decision)}}}\n")

    def _ending(self, decision: Decision) -> str:
        """Values and reasons. Decisions are shared: the entry keeps its decision, and so its id, alive."""
        found = self._endings.get(id(decision))
        if found is not None:
            return found[1]
        ending = _reasons(decision)
        if len(self._endings) < MAX_ENDINGS:
            self._endings[id(decision)] = (decision, ending)
        return ending


def _remembered(names: tuple[str, ...]) -> Callable[[Request, Route, Identity], str]:
    """Standing fields as one text, which the caller's identity remembers for each route."""

    def text(request: Request, route: Route, identity: Identity) -> str:
        memo = identity.memo
        key = (text, route.id, route.name)
        found: str | None = memo.get(key)
        if found is None:
            found = "".join([_STANDING[name](request, route, identity) for name in names])
            if len(memo) < MAX_CALLER_MEMO:
                memo[key] = found
        return found

    return text


def _reasons(decision: Decision) -> str:
    parts = []
    for action, value, reasons in (
        ("allow", decision.allow, decision.allow_reasons),
        ("deny", decision.deny, decision.deny_reasons),
    ):
        names = ",".join(quote(reason) for reason in sorted(reasons))
        parts.append(f',"{action}":{str(value).lower()},"{action}-why-{str(value).lower()}":[{names}]')
    return "".join(parts)
