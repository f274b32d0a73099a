"""The authorize log: one JSON line for every decision (spec/ppl §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote

from ..model import Decision, Identity, Request, Route
from .access import clip
from .lines import LineWriter
from .stamp import Stamp

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

Fragment = Callable[[Request, Route, Identity], str]


def _session_id(_request: Request, _route: Route, identity: Identity) -> str:
    return f',"session-id":{quote(identity.session.id)}' if identity.session else ""


_FRAGMENTS: dict[str, Fragment] = {
    "request-id": lambda request, _route, _identity: f',"request-id":"{request.id}"',
    "check-request-id": lambda request, _route, _identity: f',"check-request-id":"{request.id}"',
    "method": lambda request, _route, _identity: f',"method":"{request.method}"',
    "path": lambda request, _route, _identity: f',"path":{quote(clip(request.target.raw_path.decode("ascii")))}',
    "query": lambda request, _route, _identity: f',"query":{quote(clip((request.target.query or b"").decode("ascii")))}',
    "host": lambda request, _route, _identity: f',"host":{quote(request.authority)}',
    "ip": lambda request, _route, _identity: f',"ip":"{request.peer.address}"',
    "session-id": _session_id,
    "user": lambda _request, _route, identity: f',"user":{quote(identity.user_id)}',
    "email": lambda _request, _route, identity: f',"email":{quote(identity.email)}',
    "route-id": lambda _request, route, _identity: f',"route-id":"{route.id}"',
    "cluster-stat-name": lambda _request, route, _identity: f',"cluster-stat-name":{quote(route.name)}',
}
AUTHORIZE_FIELDS = frozenset(_FRAGMENTS)


class DecisionLog:
    """Writes who asked for what, what was decided and why."""

    def __init__(
        self, writer: LineWriter, fields: Iterable[str] = DEFAULT_AUTHORIZE_FIELDS, *, enabled: bool = True
    ) -> None:
        self._writer = writer
        self._enabled = enabled
        self._fragments = [_FRAGMENTS[name] for name in fields if name in _FRAGMENTS]
        self._stamp = Stamp()
        self._endings: dict[Decision, str] = {}

    def record(self, now: float, request: Request, route: Route, identity: Identity, decision: Decision) -> None:
        if not self._enabled:
            return
        ending = self._endings.get(decision)
        if ending is None:
            # Decisions are shared objects, as few as the policies have outcomes.
            ending = self._endings[decision] = _ending(decision)
        body = "".join([fragment(request, route, identity) for fragment in self._fragments])
        self._writer.line(
            f'{{"level":"info","time":"{self._stamp(now)}","message":"authorize check","service":"authorize"{body}{ending}}}\n'
        )


def _ending(decision: Decision) -> str:
    parts = []
    for action, value, reasons in (
        ("allow", decision.allow, decision.allow_reasons),
        ("deny", decision.deny, decision.deny_reasons),
    ):
        names = ",".join(quote(reason) for reason in sorted(reasons))
        parts.append(f',"{action}":{str(value).lower()},"{action}-why-{str(value).lower()}":[{names}]')
    return "".join(parts)
