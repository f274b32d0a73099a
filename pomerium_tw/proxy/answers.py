"""Routes that answer by themselves: redirects and direct responses (spec/proxy §2.1, §2.6).

Whoever is not let in never sees them: they are asked for the answer after the decision, like an upstream.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from ..model import DEFAULT_PORTS, DirectResponse, Redirect, Reply, Request, Route, redirect
from ..pages import local_reply, texts
from .rewriting import PathRewrite, prefix_rewrite


def answer_of(route: Route) -> Callable[[Request], Reply] | None:
    """What makes the answer of a route without upstreams; None for the others."""
    if route.redirect is not None:
        return _Redirecting(route, route.redirect).answer
    if route.response is not None:
        reply = _direct(route.response)
        return lambda _request: reply
    return None


class _Redirecting:
    """A redirect; parts that the route does not name are those that the client asked for."""

    def __init__(self, route: Route, rule: Redirect) -> None:
        self._rule = rule
        rewritten = rule.prefix and not rule.path
        self._rewrite: PathRewrite | None = prefix_rewrite(route, rule.prefix or "") if rewritten else None

    def answer(self, request: Request) -> Reply:
        path = self._path(request)
        if path is None:
            return local_reply(
                texts.bad_request("The redirect of this address would lead elsewhere."), request
            )
        scheme = self._rule.scheme or request.scheme
        return redirect(f"{scheme}://{self._authority(request, scheme)}{path}", self._rule.status)

    def _authority(self, request: Request, scheme: str) -> str:
        rule, head = self._rule, request.head
        host, port = rule.host, rule.port
        if host is None:
            host = head.host
            # The default port of the scheme that is left behind means nothing to the other one.
            moved = scheme != request.scheme and head.port == DEFAULT_PORTS.get(request.scheme)
            if port is None and not moved:
                port = head.port
        if port is None or port == DEFAULT_PORTS.get(scheme):
            return host
        return f"{host}:{port}"

    def _path(self, request: Request) -> str | None:
        target, rule = request.target, self._rule
        raw_path: bytes | None = target.raw_path
        if rule.path:
            raw_path = rule.path.encode("ascii")
            if b"?" in raw_path:
                return rule.path  # its query is the one that was meant
        elif self._rewrite is not None:
            raw_path = self._rewrite(target.raw_path)
        if raw_path is None:
            return None
        if target.query is not None and not rule.strip_query:
            raw_path += b"?" + target.query
        return raw_path.decode("ascii")


def _direct(response: DirectResponse) -> Reply:
    body = response.body.encode()
    if not body:
        return Reply(response.status, (), body)
    return Reply(response.status, ((b"Content-Type", _content_type(response.body)),), body)


def _content_type(body: str) -> bytes:
    """Of text that the configuration holds: a page, JSON, or plain text."""
    begin = body.lstrip()[:15].lower()
    if begin.startswith(("<!doctype html", "<html")):
        return b"text/html; charset=utf-8"
    if begin.startswith(("{", "[")):
        try:
            json.loads(body)
        except ValueError:
            return b"text/plain; charset=utf-8"
        return b"application/json"
    return b"text/plain; charset=utf-8"
