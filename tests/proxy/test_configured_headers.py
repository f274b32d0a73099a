"""What ``set_response_headers`` make of answers: each name once, with the configured value."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pomerium_tw.model import DirectResponse, Redirect, Reply
from pomerium_tw.pages import OwnRequest, Page, PathTree
from pomerium_tw.proxy import ConfiguredHeaders
from tests.doors import NOBODY, SIGNED_IN, Answer, Wire, guarded, read_answers

SET = {
    "cache-control": "private",
    "Content-Type": "text/x",
    "CONTENT-SECURITY-POLICY": "default-src *",
    "X-Content-Type-Options": "none",
    "Location": "https://set.test/",
    "ETag": "z",
    "Allow": "GET",
    "X-Pomerium-Intercepted-Response": "set",
}
GET = b"GET /x HTTP/1.1\r\nHost: %b\r\nAccept: text/html\r\n\r\n"


class Cookies(Page):
    """A page that says much in its head."""

    async def get(self, _request: OwnRequest) -> Reply:
        cookies = ((b"Set-Cookie", b"_pomerium=1"), (b"Set-Cookie", b"_pomerium_flow=2"))
        return Reply(200, (*cookies, (b"ETag", b"ours"), (b"Cache-Control", b"no-store")), b"page")


def wire(**options: Any) -> Wire:
    """A door whose routes, and answers of no route, all have the same configured headers."""
    routes = [
        guarded("a", set_response_headers=SET),
        guarded("denied", NOBODY, set_response_headers=SET),
        guarded("sign-in", SIGNED_IN, set_response_headers=SET),
        guarded("moved", to=(), redirect=Redirect(host="b"), set_response_headers=SET),
        guarded("said", to=(), response=DirectResponse(200, "tea"), set_response_headers=SET),
    ]
    return Wire(routes, response_headers=SET, **options)


def values(answer: Answer, name: str) -> list[str]:
    """Every value of a header."""
    found = re.findall(rb"(?im)^%b: ([^\r\n]*)\r$" % re.escape(name.encode()), answer.head)
    return [value.decode() for value in found]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(GET % b"nowhere", 404, id="no route"),
        pytest.param(GET % b"denied", 403, id="denied"),
        pytest.param(GET % b"sign-in", 302, id="to the sign-in"),
        pytest.param(GET % b"moved", 301, id="redirect"),
        pytest.param(GET % b"said", 200, id="response"),
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n", 200, id="page"),
        pytest.param(b"GET /x HTTP/1.1\r\n\r\n", 400, id="refused"),
        pytest.param(b"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", 405, id="refused method"),
    ],
)
def test_configured_headers_replace_those_of_our_own_answers(sent: bytes, status: int) -> None:
    (answer,) = read_answers(wire().send(sent))
    assert answer.status == status
    for name, value in SET.items():
        assert values(answer, name) == [value]
    for name in ("Date", "X-Request-Id", "Content-Length"):
        assert len(values(answer, name)) == 1


def test_configured_headers_replace_those_of_an_upstreams_answer() -> None:
    door = wire()
    door.send(GET % b"a")
    sent = b"".join(b"%b: theirs\r\n" % name.encode() for name in SET)
    (answer,) = read_answers(door.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n" % sent))
    assert [values(answer, name) for name in SET] == [[value] for value in SET.values()]


def test_our_cookies_stay_and_stay_out_of_caches() -> None:
    own = PathTree({"/.pomerium/cookies": Cookies()})
    configured = {"set-cookie": "theirs=3", "etag": "z", "cache-control": "public, max-age=600"}
    door = Wire([], own=own, response_headers=configured)
    (answer,) = read_answers(door.send(b"GET /.pomerium/cookies HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert values(answer, "Set-Cookie") == ["_pomerium=1", "_pomerium_flow=2", "theirs=3"]
    assert values(answer, "Cache-Control") == ["no-store"]
    assert values(answer, "ETag") == ["z"]


def test_a_routes_own_headers_count_where_there_is_a_route() -> None:
    routes = [guarded("denied", NOBODY, set_response_headers={"Cache-Control": "of the route"})]
    door = Wire(routes, response_headers={"Cache-Control": "of all"})
    denied, nowhere = read_answers(door.send(GET % b"denied" + GET % b"nowhere"))
    assert values(denied, "Cache-Control") == ["of the route"]
    assert values(nowhere, "Cache-Control") == ["of all"]


def test_lines_keep_their_order_and_spelling() -> None:
    headers = ConfiguredHeaders({"x-a": "1", "B": "é"})
    assert headers.over([(b"X-A", b"0"), (b"C", b"2"), (b"b", b"0")]) == b"C: 2\r\nx-a: 1\r\nB: \xc3\xa9\r\n"
