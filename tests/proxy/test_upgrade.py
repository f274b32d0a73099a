from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.model import Peer, Request, Route
from pomerium_tw.proxy import HeadRules, TargetRules
from pomerium_tw.proxy import upgrade as upgrades
from pomerium_tw.proxy.head import parse_head
from pomerium_tw.proxy.target import parse_target

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455 §1.3."""
WEBSOCKET = {
    "Host": "app.test",
    "Connection": "Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Version": "13",
}
GRANTED = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT.decode()}


def asked(*more: str, method: str = "GET", scheme: str = "https", **changed: str | None) -> Request:
    """A handshake. ``more``: lines; ``changed``: header (``_`` for ``-``) → value, None to leave it out."""
    headers: dict[str, str | None] = {**WEBSOCKET}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    said = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    block = "".join(line + "\r\n" for line in [*said, *more]).encode()
    head = parse_head(block, HeadRules())
    target = parse_target(method, b"/chat", head, TargetRules())
    return Request("id-1", method, scheme, target, head, Peer("192.0.2.7", 4711))


def route(*upgrades: str, origins: tuple[str, ...] = ()) -> Route:
    return Route(
        id="r",
        name="r",
        host="app.test",
        port=None,
        upgrades=frozenset(upgrades or ("websocket",)),
        websocket_origins=origins,
    )


def refused(request: Request, by: Route | None = None) -> tuple[int, str]:
    """Status and details; (0, "") when it is let through."""
    found = upgrades.refusal(request, by or route())
    return (0, "") if found is None else (found.reply.status, found.details)


# -- which requests are let through


def test_a_good_handshake_goes_on_in_the_clients_spelling() -> None:
    request = asked()
    assert refused(request) == (0, "")
    assert upgrades.lines(request) == b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n"


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "Upgrade, keep-alive"])
def test_other_connection_options_do_not_matter(connection: str) -> None:
    assert refused(asked(Connection=connection)) == (0, "")


@pytest.mark.parametrize("token", ["websocket", "foo", "spdy/3.1", "TLS/1.0", "h2"])
def test_what_the_route_does_not_allow_is_forbidden(token: str) -> None:
    assert refused(asked(Upgrade=token), route("bar")) == (403, "upgrade_not_allowed")


def test_other_protocols_need_no_websocket_headers_and_any_method() -> None:
    request = asked(
        Upgrade="SPDY/3.1",
        Sec_WebSocket_Key=None,
        Sec_WebSocket_Version=None,
        Content_Length="0",
        Origin="https://evil.test",
        method="POST",
    )
    assert refused(request, route("spdy/3.1")) == (0, "")
    assert upgrades.lines(request) == b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked(Connection="upgrade, close"), id="close"),
        pytest.param(asked("Connection: close"), id="close in a line of its own"),
        pytest.param(asked("Upgrade: websocket"), id="two lines"),
        pytest.param(asked(Upgrade="websocket, foo"), id="two values"),
        pytest.param(asked(Upgrade="h2c, websocket"), id="h2c first"),
        pytest.param(asked(Content_Length="3"), id="length"),
        pytest.param(asked(Transfer_Encoding="chunked"), id="chunked"),
        pytest.param(asked(method="POST"), id="method"),
        pytest.param(asked(Sec_WebSocket_Key=None), id="no key"),
        pytest.param(asked(Sec_WebSocket_Key="c2hvcnQ="), id="short key"),
        pytest.param(asked(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZXh4eA=="), id="long key"),
        pytest.param(asked(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZ!=="), id="key that is not base64"),
        pytest.param(asked(f"Sec-WebSocket-Key: {KEY.decode()}"), id="two keys"),
        pytest.param(asked(Sec_WebSocket_Version=None), id="no version"),
        pytest.param(asked("Sec-WebSocket-Version: 13"), id="two versions"),
    ],
)
def test_a_malformed_handshake_is_refused(request_: Request) -> None:
    assert refused(request_, route("websocket", "foo")) == (400, "upgrade_malformed")


def test_an_older_version_is_told_which_one_is_spoken() -> None:
    found = upgrades.refusal(asked(Sec_WebSocket_Version="7"), route())
    assert found is not None
    assert found.reply.status == 400
    assert (b"Sec-WebSocket-Version", b"13") in found.reply.headers


@pytest.mark.parametrize(
    "changed", [{"Upgrade": "h2c"}, {"Upgrade": "H2C"}, {"Upgrade": None}, {"Connection": None}]
)
def test_what_asks_for_no_upgrade_is_a_plain_request(changed: dict[str, Any]) -> None:
    head = asked(**changed).head
    assert head.upgrade is None
    assert b"Upgrade" not in head.passed


# -- origins


@pytest.mark.parametrize(
    ("host", "origin", "scheme"),
    [
        ("app.test", None, "https"),
        ("app.test", "https://app.test", "https"),
        ("App.Test", "HTTPS://app.test", "https"),
        ("app.test:443", "https://app.test", "https"),
        ("app.test:8443", "https://app.test:8443", "https"),
        ("[::1]:8443", "https://[::1]:8443", "https"),
        ("app.test", "http://app.test", "http"),
        ("app.test", "https://app.test", "http"),
        ("app.test", "https://other.test", "https"),
        ("app.test", "chrome-extension://abc", "https"),
    ],
)
def test_pages_of_the_same_host_and_of_named_origins_may_open_websockets(
    host: str, origin: str | None, scheme: str
) -> None:
    named = route(origins=("https://other.test", "chrome-extension://abc"))
    assert refused(asked(Host=host, Origin=origin, scheme=scheme), named) == (0, "")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("app.test", "https://evil.test"),
        ("app.test", "https://app.test.evil.test"),
        ("app.test", "https://evilapp.test"),
        ("app.test", "https://sub.app.test"),
        ("app.test", "https://app.test:8443"),
        ("app.test:8443", "https://app.test"),
        ("app.test", "http://app.test"),
        ("app.test", "null"),
        ("app.test", ""),
        ("app.test", "app.test"),
        ("app.test", "//app.test"),
        ("app.test", "https://app.test/"),
        ("app.test", "https://user@app.test"),
        ("app.test", "https://app.test https://evil.test"),
        ("app.test", "https://app.test#https://evil.test"),
        ("app.test", "https://app.test:x"),
        ("app.test", "https://[app.test"),
        ("app.test", "https://other.test.evil"),
    ],
)
def test_pages_of_other_origins_may_not(host: str, origin: str) -> None:
    named = route(origins=("https://other.test",))
    assert refused(asked(Host=host, Origin=origin), named) == (403, "websocket_origin_not_allowed")


def test_two_origins_are_none_that_is_known() -> None:
    request = asked("Origin: https://app.test", Origin="https://app.test")
    assert refused(request) == (403, "websocket_origin_not_allowed")


def test_a_star_stands_for_any_origin() -> None:
    assert refused(asked(Origin="null"), route(origins=("*",))) == (0, "")


# -- which answers are one


def answered(request: Request, *more: str, **changed: str | None) -> bool:
    headers = {**GRANTED} | {name.replace("_", "-"): value for name, value in changed.items()}
    said = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    block = "".join(line + "\r\n" for line in ["HTTP/1.1 101 Switching Protocols", *said, *more])
    return upgrades.accepted(request, block.encode())


@pytest.mark.parametrize(
    "changed",
    [{}, {"Upgrade": "WebSocket"}, {"Connection": "keep-alive, UPGRADE"}, {"Sec_WebSocket_Protocol": "chat"}],
)
def test_a_good_answer_is_accepted(changed: dict[str, str]) -> None:
    assert answered(asked(), **changed)


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ((), {"Upgrade": "h2c"}),
        ((), {"Upgrade": "websocket, foo"}),
        ((), {"Upgrade": None}),
        (("Upgrade: websocket",), {}),
        ((), {"Connection": None}),
        ((), {"Connection": "keep-alive"}),
        ((), {"Sec_WebSocket_Accept": None}),
        ((), {"Sec_WebSocket_Accept": KEY.decode()}),
        ((), {"Sec_WebSocket_Accept": ACCEPT.decode().lower()}),
        ((f"Sec-WebSocket-Accept: {ACCEPT.decode()}",), {}),
        (("Content-Length: 10",), {}),
        (("Transfer-Encoding: chunked",), {}),
    ],
)
def test_an_answer_that_is_none_is_not(more: tuple[str, ...], changed: dict[str, Any]) -> None:
    assert not answered(asked(), *more, **changed)


def test_a_length_of_nothing_does_not_matter() -> None:
    assert answered(asked(), "Content-Length: 0")
    assert not answered(asked(), "Content-Length: 0", "Content-Length: 0")


def test_other_protocols_prove_nothing_more() -> None:
    request = asked(Upgrade="SPDY/3.1", method="POST")
    assert answered(request, Upgrade="SPDY/3.1", Sec_WebSocket_Accept=None)
    assert not answered(request, Upgrade="websocket")


def test_the_client_gets_the_lines_and_the_request_id() -> None:
    assert upgrades.switching(asked(), b"Sec-WebSocket-Accept: x\r\nX-Ours: y\r\n") == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Sec-WebSocket-Accept: x\r\nX-Ours: y\r\nX-Request-Id: id-1\r\n"
        b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    )
