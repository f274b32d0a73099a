"""Every local reply of the data path, in every form, and what each kind of failure counts as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from OpenSSL.SSL import Error as SSLError
from pytest_twisted import ensureDeferred
from service_identity import VerificationError
from twisted.internet import defer, reactor
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    UnknownHostError,
)
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from pomerium_tw.pages import local_reply, texts
from pomerium_tw.proxy import failures
from pomerium_tw.proxy.failures import Failed, idle, of_connect_failure, of_lost_connection, too_long
from pomerium_tw.tls import ServerContexts, TrustRoots, client_connection
from pomerium_tw.transport import TLSEndpoint
from tests.doors import Wire
from tests.pages.memory import REQUEST_ID, headers_of, incoming
from tests.tls.values import CA, issued, serving

MANUAL = Path(__file__).parents[2] / "docs/reference/endpoints.md"
BEFORE = "upstream_reset_before_response_started"


class Row(NamedTuple):
    failed: Failed
    status: int
    flag: str
    details: str
    grpc: int
    """Code for gRPC clients."""


TABLE = [
    Row(Failed(texts.route_not_found(), ""), 404, "NR", "route_not_found", 5),
    Row(Failed(texts.internal(), ""), 500, "", "internal_error", 2),
    Row(Failed(texts.authorization_failed(), ""), 503, "", "ext_authz_error", 14),
    Row(failures.REFUSED, 503, "UF", f"{BEFORE}{{connection_failure}}", 14),
    Row(failures.CONNECT_TIMEOUT, 503, "UF", f"{BEFORE}{{connection_timeout}}", 14),
    Row(failures.TLS_FAILED, 503, "UF", f"{BEFORE}{{connection_failure|TLS_error}}", 14),
    Row(failures.UNRESOLVED, 503, "DF", "dns_resolution_failure", 14),
    Row(failures.NO_HEALTHY_UPSTREAM, 503, "UH", "no_healthy_upstream", 14),
    Row(failures.OVERFLOW, 503, "UO", f"{BEFORE}{{overflow}}", 14),
    Row(failures.DROPPED, 503, "UC", f"{BEFORE}{{connection_termination}}", 1),
    Row(failures.MALFORMED, 502, "UPE", f"{BEFORE}{{protocol_error}}", 13),
    Row(failures.TIMEOUT, 504, "UT", "upstream_response_timeout", 4),
    Row(failures.IDLE_ANSWER, 504, "SI", "stream_idle_timeout", 4),
    Row(failures.IDLE_REQUEST, 408, "SI", "stream_idle_timeout", 4),
    Row(failures.LONG_ANSWER, 504, "DT", "max_duration_timeout", 4),
    Row(failures.LONG_REQUEST, 408, "DT", "max_duration_timeout", 4),
    Row(failures.REQUEST_TIMEOUT, 408, "", "request_overall_timeout", 2),
    Row(failures.BODY_TOO_SLOW, 408, "", "request_body_too_slow", 2),
    Row(failures.BODY_TOO_LARGE, 413, "", "request_payload_too_large", 2),
    Row(failures.BODY_MALFORMED, 400, "DPE", "request_body_malformed", 2),
]
ROWS = pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row.flag or '-'} {row.details} {row.status}") for row in TABLE]
)


def test_no_kind_is_left_out() -> None:
    kinds = {name for name, value in vars(failures).items() if isinstance(value, Failed)}
    tested = {name for name in kinds if any(row.failed is getattr(failures, name) for row in TABLE)}
    assert kinds == tested


@ROWS
def test_the_manual_has_each(row: Row) -> None:
    lines = [
        line
        for line in MANUAL.read_text("utf-8").splitlines()
        if f"`{row.details}`" in line.replace("\\|", "|")
    ]
    assert any(str(row.status) in line and f"| {row.flag and f'`{row.flag}` '}|" in line for line in lines)


@ROWS
def test_status_flag_and_details(row: Row) -> None:
    assert (row.failed.status, row.failed.flag, row.failed.details) == (row.status, row.flag, row.details)


@ROWS
@pytest.mark.parametrize("accept", ["application/json", "application/*", "text/plain, text/html"])
def test_programs_get_three_fields(row: Row, accept: str) -> None:
    reply = local_reply(row.failed.facts, incoming(accept=accept))
    expected = {"requestId": REQUEST_ID, "status": str(row.status), "statusText": row.details}
    assert (reply.status, reply.body) == (row.status, json.dumps(expected, indent=2).encode())
    wanted = "text/plain; charset=utf-8" if accept.startswith("text") else "application/json"
    assert headers_of(reply)["content-type"] == wanted
    assert headers_of(reply)["x-pomerium-intercepted-response"] == "true"


@ROWS
@pytest.mark.parametrize("accept", [None, "text/html", "text/*", "*/*"])
def test_people_get_a_page(row: Row, accept: str | None) -> None:
    reply = local_reply(row.failed.facts, incoming(**({"accept": accept} if accept else {})))
    page = reply.body.decode()
    assert reply.status == row.status
    assert headers_of(reply)["content-type"] == "text/html; charset=UTF-8"
    assert REQUEST_ID in page
    assert f"<h1>{row.failed.facts.title.replace(chr(39), '&#39;')}</h1>" in page


@ROWS
@pytest.mark.parametrize("sent", ["application/grpc", "application/grpc-web+proto"])
def test_grpc_clients_get_a_code_by_flag(row: Row, sent: str) -> None:
    reply = local_reply(row.failed.facts, incoming(content_type=sent, accept="application/json"))
    headers = headers_of(reply)
    assert (reply.status, reply.body, headers["grpc-status"]) == (200, b"", str(row.grpc))
    assert headers["content-type"] == sent.removesuffix("+proto")
    assert json.loads(headers["grpc-message"])["statusText"] == row.details


def openssl(reason: str) -> SSLError:
    return SSLError([("SSL routines", "", reason)])


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (Refused(), f"{BEFORE}{{connection_failure}}"),
        (NoRouteError(), f"{BEFORE}{{connection_failure}}"),
        (ValueError("invalid hostname"), f"{BEFORE}{{connection_failure}}"),
        (ConnectTimeout(), f"{BEFORE}{{connection_timeout}}"),
        (TCPTimedOutError(), f"{BEFORE}{{connection_timeout}}"),
        (defer.TimeoutError(10, "connecting"), f"{BEFORE}{{connection_timeout}}"),
        (DNSLookupError("no such name"), "dns_resolution_failure"),
        (UnknownHostError(), "dns_resolution_failure"),
        (SSLError(), f"{BEFORE}{{connection_failure|TLS_error}}"),
        (SSLError(-1, "Unexpected EOF"), f"{BEFORE}{{connection_failure|TLS_error}}"),
        (
            openssl("certificate verify failed"),
            f"{BEFORE}{{connection_failure|TLS_error:certificate_verify_failed}}",
        ),
        (
            VerificationError([]),
            f"{BEFORE}{{connection_failure|TLS_error:certificate_is_for_another_name}}",
        ),
    ],
)
def test_what_a_connection_failed_by(error: Exception, details: str) -> None:
    failed = of_connect_failure(Failure(error))
    assert failed.details == details
    assert failed.error


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (ConnectionDone(), f"{BEFORE}{{connection_termination}}"),
        (ConnectionLost(), f"{BEFORE}{{connection_termination}}"),
        (openssl("tlsv13 alert certificate required"), f"{BEFORE}{{connection_termination}}"),
        (SSLError(-1, "Unexpected EOF"), f"{BEFORE}{{connection_termination}}"),
        (SSLError(), f"{BEFORE}{{connection_termination}}"),
    ],
)
def test_what_a_connection_ended_by(error: Exception, details: str) -> None:
    failed = of_lost_connection(Failure(error))
    assert (failed.flag, failed.details) == ("UC", details)
    assert failed.error


def test_what_tls_says_of_an_end_is_for_the_log() -> None:
    """As of an upstream that wants a certificate, which it says after the handshake (spec/proxy §4.3)."""
    failed = of_lost_connection(Failure(openssl("tlsv13 alert certificate required")))
    assert failed.error == "tlsv13 alert certificate required"


def test_whose_turn_it_was_decides_the_status() -> None:
    assert [idle(request_complete=True).status, idle(request_complete=False).status] == [504, 408]
    assert [too_long(request_complete=True).status, too_long(request_complete=False).status] == [504, 408]


def test_what_is_logged_of_an_error_is_bounded_and_the_client_learns_nothing_of_it() -> None:
    failed = failures.MALFORMED.because("10.1.2.3 says " + "x" * 100_000)
    assert len(failed.error) == failures.MAX_ERROR_CHARACTERS
    for accept in ("text/html", "application/json"):
        assert b"10.1.2.3" not in local_reply(failed.facts, incoming(accept=accept)).body


# -- failures as they come from sockets


class Attempt(Protocol):
    def __init__(self, lost: defer.Deferred[Failed]) -> None:
        self._lost = lost

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(b"GET / HTTP/1.1\r\n\r\n")

    def connectionLost(self, reason: Failure | None = None) -> None:
        assert reason is not None
        self._lost.callback(of_lost_connection(reason))


async def attempt(endpoint: Any) -> Failed:
    """How a connection by ``endpoint`` fails, at once or in its handshake."""
    lost: defer.Deferred[Failed] = defer.Deferred()
    try:
        await endpoint.connect(Factory.forProtocol(lambda: Attempt(lost)))
    except Exception:
        return of_connect_failure(Failure())
    return await lost


@ensureDeferred
async def test_a_closed_port_is_a_refusal() -> None:
    running: Any = reactor
    port = running.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
    number = port.getHost().port
    await port.stopListening()
    failed = await attempt(TCP4ClientEndpoint(reactor, "127.0.0.1", number))
    assert failed.details == failures.REFUSED.details


@ensureDeferred
async def test_a_name_without_address_is_a_resolution_failure() -> None:
    failed = await attempt(HostnameEndpoint(reactor, "nowhere.invalid", 80))
    assert (failed.flag, failed.details) == ("DF", "dns_resolution_failure")
    assert "nowhere.invalid" in failed.error


@pytest.mark.parametrize(
    ("name", "trusted", "reason"),
    [
        ("up.test", False, "certificate_verify_failed"),
        ("other.test", True, "certificate_is_for_another_name"),
    ],
)
@ensureDeferred
async def test_a_failed_handshake_says_why(name: str, trusted: bool, reason: str) -> None:
    authorities = CA.cert_pem.bytes() if trusted else b""
    async with serving(ServerContexts([issued("up.test")])) as port:
        tls = client_connection(name, TrustRoots(authorities))
        failed = await attempt(TLSEndpoint(reactor, TCP4ClientEndpoint(reactor, "127.0.0.1", port), tls))
    assert failed.details == f"{BEFORE}{{connection_failure|TLS_error:{reason}}}"


# -- what the operator is told


def told(act: Callable[[], object]) -> list[tuple[LogLevel, str]]:
    """Events of the data path while ``act`` runs."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        act()
    finally:
        globalLogPublisher.removeObserver(events.append)
    return [
        (event["log_level"], formatEvent(event))
        for event in events
        if event["log_namespace"] == "pomerium.proxy"
    ]


def test_a_client_cannot_write_warnings_or_in_the_name_of_an_upstream() -> None:
    wire = Wire()
    wire.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert told(lambda: wire.send(b"zz\r\n")) == [
        (LogLevel.info, "refused: request_body_malformed: a chunk size is malformed")
    ]


def test_an_upstream_whose_answer_is_not_http_is_warned_of_by_name() -> None:
    wire = Wire()
    wire.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    ((level, text),) = told(lambda: wire.answer(b"nonsense\r\n\r\n"))
    assert (level, text.startswith("upstream a: upstream_reset")) == (LogLevel.warn, True)
