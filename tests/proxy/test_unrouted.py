"""What is no request has its line in the access log: by address, and by what was understood of it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from pomerium_tw.proxy import Trust
from pomerium_tw.telemetry import ACCESS_FIELDS
from tests.doors import Wire, read_answers

FIELDS = (*sorted(ACCESS_FIELDS), "headers.X-A")
NAMED = b"Host: a.example:80\r\nUser-Agent: curl\r\nX-A: b\r\n"


def wire(**options: Any) -> Wire:
    return Wire(access_fields=FIELDS, **options)


def refused(sent: bytes, **options: Any) -> dict[str, Any]:
    """The only line of a request, whose answer it agrees with."""
    client = wire(**options)
    received = client.send(sent)
    answer = read_answers(received, heads_only=sent.startswith(b"HEAD"))[0]
    (line,) = client.log
    assert line["message"] == "http-request"
    assert line["level"] == "info"
    assert line["response-code"] == answer.status
    assert line["request-id"] == answer.header("x-request-id")
    assert line["size"] == len(received.partition(b"\r\n\r\n")[2])
    assert set(line) >= ACCESS_FIELDS
    return line


def known(line: dict[str, Any]) -> tuple[str, str, str, str]:
    return line["method"], line["authority"], line["path"], line["user-agent"]


def test_a_smuggling_attempt_names_its_client_its_path_and_why() -> None:
    line = refused(
        b"POST /admin?a=b HTTP/1.1\r\n" + NAMED + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert (line["ip"], line["response-code"], line["response-flags"]) == ("192.0.2.7", 400, "DPE")
    assert line["response-code-details"] == "request_refused{the_length_of_the_body_is_ambiguous}"
    assert (line["method"], line["path"], line["query"]) == ("POST", "/admin", "a=b")
    # The header lines were not understood: nothing of them is told.
    assert (line["authority"], line["user-agent"], line["headers"]) == ("", "", {})


@pytest.mark.parametrize(
    ("sent", "status", "understood"),
    [
        (b"GET /a%2Fb HTTP/1.1\r\n" + NAMED, 400, ("GET", "a.example:80", "", "curl")),
        (b"GET http://other/ HTTP/1.1\r\n" + NAMED, 400, ("GET", "a.example:80", "", "curl")),
        (b"GET /a%20b HTTP/1.1\r\nbad\r\n", 400, ("GET", "", "", "")),
        (b"HEAD /a HTTP/1.1\r\n" + NAMED + b"x_y: 1\r\n", 400, ("HEAD", "", "/a", "")),
        (b"GET /a HTTP/1.1\r\n" + NAMED + b"Expect: x\r\n", 417, ("GET", "", "/a", "")),
        (b"GET /a HTTP/1.1\r\n" + NAMED + b"a: 1\r\n" * 1000, 431, ("GET", "", "/a", "")),
        (b"TRACE /a HTTP/1.1\r\n" + NAMED, 405, ("TRACE", "", "", "")),
        (b"get /a HTTP/1.1\r\n" + NAMED, 405, ("", "", "", "")),
        (b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\n" + NAMED, 414, ("GET", "", "", "")),
        (b"GET /a HTTP/1.0\r\n" + NAMED, 426, ("", "", "", "")),
        (b"GET /a HTTP/2.0\r\n" + NAMED, 505, ("", "", "", "")),
        (b"\x16\x03\x01\n", 400, ("", "", "", "")),
        (b"GET /" + b"a" * 140_000 + b" HTTP/1.1\r\n" + NAMED, 431, ("", "", "", "")),
    ],
)
def test_a_refusal_tells_what_was_understood_and_nothing_that_was_not(
    sent: bytes, status: int, understood: tuple[str, str, str, str]
) -> None:
    line = refused(sent + b"\r\n")
    assert (line["response-code"], line["ip"]) == (status, "192.0.2.7")
    assert known(line) == understood


def test_its_address_is_told_by_default() -> None:
    client = Wire()
    client.send(b"nonsense\r\n\r\n")
    assert client.log[0]["ip"] == "192.0.2.7"


def test_a_broken_request_for_a_probe_is_not_left_out() -> None:
    assert refused(b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")["path"] == "/ping"


def test_a_head_that_does_not_come_to_its_end_has_no_flag() -> None:
    client = wire()
    client.send(b"GET /a HTTP/1.1\r\n")
    client.pass_time(11)
    (line,) = client.log
    assert (line["response-code"], line["response-code-details"]) == (408, "request_header_timeout")
    assert (line["ip"], line["response-flags"]) == ("192.0.2.7", "")


def test_a_trusted_proxys_word_for_the_client_counts_once_the_head_is_understood() -> None:
    trust = Trust.of(0, (ip_network("192.0.2.0/24"),), append=True)
    head = b" HTTP/1.1\r\n" + NAMED + b"X-Forwarded-For: 203.0.113.9\r\n"
    assert refused(b"GET /a%2Fb" + head + b"\r\n", trust=trust)["ip"] == "203.0.113.9"
    assert refused(b"GET /a" + head + b"x_y: 1\r\n\r\n", trust=trust)["ip"] == "192.0.2.7"


def test_good_requests_before_a_bad_one_have_their_own_lines() -> None:
    client = wire()
    client.send(
        b"GET /ping?a HTTP/1.1\r\nHost: none\r\n\r\nGET /x HTTP/1.1\r\nHost: none\r\n\r\nnonsense\r\n\r\n"
    )
    assert [(line["path"], line["response-code"]) for line in client.log] == [("/x", 404), ("", 400)]
