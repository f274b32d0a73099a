"""Fine points of headers, cookies, addresses and idle connections."""

from __future__ import annotations

from typing import Any

from pomerium_tw.proxy import HeadRules, ResponseRules, Timeouts
from pomerium_tw.proxy.head import parse_head
from pomerium_tw.proxy.response import parse_response_head
from pomerium_tw.session import owned_cookie_pattern
from tests.doors import Wire, guarded

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_an_idle_time_out_below_the_memo_s_is_kept() -> None:
    wire = Wire(timeouts=Timeouts(idle=3))
    wire.send(GET)
    wire.answer(OK)
    wire.pass_time(5)
    assert wire.pipe.lost == "closed"


def test_a_client_with_a_long_head_keeps_its_connection_as_long_as_any() -> None:
    wire = Wire()
    wire.send(GET[:-2] + b"X-Long: " + b"x" * 17000 + b"\r\n\r\n")
    wire.answer(OK)
    wire.pass_time(60)
    assert wire.pipe.lost == ""


def test_an_upstream_sets_no_cookie_of_ours_by_leaving_the_name_empty() -> None:
    rules = ResponseRules(own_cookies=owned_cookie_pattern("_pomerium"))
    for line in (b"=_pomerium=x; Path=/", b" = _pomerium=x", b"=__Host-_pomerium=x", b"=_pomerium"):
        head = parse_response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie:%b\r\n" % line, rules)
        assert b"pomerium" not in head.lines, line
    head = parse_response_head(b"HTTP/1.1 200 OK\r\nSet-Cookie: =other=x\r\n", rules)
    assert b"=other=x" in head.lines


def test_connection_drops_no_protected_header_by_another_spelling() -> None:
    head = parse_head(b"Host: a\r\nContent-Type: text/plain\r\nConnection: content.type\r\n", HeadRules())
    assert b"Content-Type" in head.passed


def test_a_configured_header_is_ours_however_the_client_punctuates_it() -> None:
    wire = Wire([guarded("a", set_request_headers={"X-User": "us"}, remove_request_headers=("X-Gone",))])
    wire.send(GET[:-2] + b"X~User: evil\r\nX.User: evil\r\nX+User: evil\r\nX!Gone: evil\r\n\r\n")
    assert b"evil" not in wire.upstream()


def test_an_ipv6_client_whose_address_only_begins_like_a_mapped_one_keeps_it() -> None:
    wire = Wire()
    transport: Any = wire.pipe
    address = wire.pipe.getPeer()
    transport.getPeer = lambda: type(address)("TCP", "::ffff:0:102:304", 1)
    assert wire.door.listener.peer_of(transport).address == "::ffff:0:102:304"
