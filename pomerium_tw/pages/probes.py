"""The small addresses that machines ask: liveness, robots, and redirects to where a page really is."""

from __future__ import annotations

from ..model import Reply, redirect
from .errors import ROBOTS
from .render import body_reply, text_reply
from .resource import OwnRequest, Page


class Probe(Page):
    """``/ping`` and ``/healthz``: this process accepts and answers requests (spec/proxy §3.1)."""

    async def get(self, _request: OwnRequest) -> Reply:
        return text_reply("OK\n")


class Robots(Page):
    """``/robots.txt`` of a host whose pages are all ours."""

    async def get(self, _request: OwnRequest) -> Reply:
        return body_reply(200, "text/plain", ROBOTS)


class Redirect(Page):
    """Sends GET and HEAD to another path of the same host, the query kept."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    async def get(self, request: OwnRequest) -> Reply:
        query = request.incoming.target.query
        return redirect(self._path if query is None else f"{self._path}?{query.decode('ascii')}")
