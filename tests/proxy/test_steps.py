"""The chain: what each step answers, and that nothing that goes wrong lets a request through."""

from __future__ import annotations

import re

import jwt
import pytest
from twisted.internet.defer import Deferred

from pomerium_tw.authorize import Authorizer
from pomerium_tw.databroker import DIRECTORY_USER, Record
from pomerium_tw.model import Reply, Secret
from pomerium_tw.pages import PathTree
from pomerium_tw.pages.static import asset_pages
from pomerium_tw.proxy import Respond
from pomerium_tw.proxy.steps import MAX_HEAD_MEMO, MAX_HEAD_MEMO_BYTES
from tests.doors import NOBODY, PUBLIC, SIGNED_IN, Wire, guarded, read_answers

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def answer(wire: Wire, *lines: bytes) -> tuple[int, str | None]:
    found = read_answers(wire.send(GET + b"".join(line + b"\r\n" for line in lines) + b"\r\n"))[0]
    return found.status, found.header("Location")


class Step:
    name, reads, edits = "test", (), ()

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def advance(self, exchange: object) -> object:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_nobody_is_sent_to_sign_in_and_a_program_is_told_so() -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    assert answer(wire) == (302, "https://authenticate.test/")
    assert answer(wire, b"Accept: application/json")[0] == 401
    assert wire.upstreams == []


def test_a_denial_is_403_and_goes_nowhere() -> None:
    wire = Wire([guarded("a", NOBODY)])
    assert answer(wire)[0] == 403
    assert wire.upstreams == []
    assert wire.log[0]["response-code-details"] == "ext_authz_denied"


def test_a_session_lets_in_where_it_was_issued_for_and_nowhere_else() -> None:
    wire = Wire([guarded("a", SIGNED_IN), guarded("b", SIGNED_IN)])
    assert answer(wire, b"Cookie: " + wire.door.sign_in("b").encode())[0] == 302
    wire.send(GET + b"Cookie: " + wire.door.sign_in("a").encode() + b"\r\n\r\n")
    assert read_answers(wire.answer(OK))[0].status == 200


def test_an_expired_session_lets_nobody_in() -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    cookie = wire.door.sign_in("a").encode()
    wire.pass_time(3601)
    wire.open()
    assert answer(wire, b"Cookie: " + cookie)[0] == 302


def test_without_a_session_store_nobody_is_let_in_and_nobody_is_signed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    cookie = wire.door.sign_in("a").encode()
    monkeypatch.setattr(type(wire.door.mirror), "available", False)
    assert answer(wire, b"Cookie: " + cookie)[0] == 503
    assert wire.log[-1]["response-code-details"] == "databroker_unavailable"
    assert wire.upstreams == []


def test_what_is_written_for_a_caller_is_not_used_for_the_next() -> None:
    wire = Wire([guarded("a", SIGNED_IN, pass_identity_headers=True)])
    first = wire.door.sign_in("a", "ann@example.com").encode()
    wire.send(GET + b"Cookie: " + first + b"\r\n\r\n")
    one = wire.upstream()
    wire.answer(OK)
    second = wire.door.sign_in("a", "bob@example.com").encode()
    wire.send(GET + b"Cookie: " + second + b"\r\n\r\n")
    two = wire.upstream()
    assertion = b"X-Pomerium-Jwt-Assertion: "
    assert one.split(assertion)[1].split(b"\r\n")[0] != two.split(assertion)[1].split(b"\r\n")[0]


@pytest.mark.parametrize("moving", [False, True])
def test_when_the_clock_is_put_back_no_assertion_of_the_future_is_sent(moving: bool) -> None:
    """On the same connection or another one: verifiers refuse an ``iat`` that is yet to come."""
    said = {"X-Said": '${pomerium.request.headers["X-Said"]}'} if moving else {}
    wire = Wire([guarded("a", SIGNED_IN, pass_identity_headers=True, set_request_headers=said)])
    cookie = wire.door.sign_in("a").encode()

    def age() -> float:
        lines = sent_upstream(wire, cookie)
        (token,) = [line[25:] for line in lines if line.startswith(b"X-Pomerium-Jwt-Assertion: ")]
        issued: int = jwt.decode(token.strip(), options={"verify_signature": False})["iat"]
        return wire.clock.seconds() - issued

    assert [age(), age()] == [0, 0]
    wire.clock.rightNow -= 90
    assert [age(), age()] == [0, 0]
    wire.clock.rightNow += 30
    assert age() == 30
    wire.open()
    assert age() == 30
    wire.clock.rightNow -= 31
    assert age() == 0


def test_what_a_header_block_remembers_is_bounded_in_bytes() -> None:
    """But holds those for one endpoint, even if they alone are longer."""
    short = [guarded("a", PUBLIC, prefix=f"/{number}/") for number in range(40)]
    long = guarded("a", PUBLIC, prefix="/40/", set_request_headers={"X-Long": "y" * 40_000})
    wire = Wire([*short, long])

    def remembered(padding: int, *more: int) -> tuple[int, int]:
        block = b" HTTP/1.1\r\nHost: a\r\nX-Pad: %b\r\n\r\n" % (b"x" * padding)
        for number in (0, *range(40), *more):
            wire.send(b"GET /%d/%b" % (number, block))
            for protocol, pipe in wire.upstreams:
                if pipe.take():
                    protocol.dataReceived(OK)
        wire.door.writer.flush()
        head = next(found[1] for found in reversed(wire.client._reader._memo.values()) if found)
        lines = [each[-1] for each in head.memo.values() if isinstance(each, tuple)]
        return len(lines), sum(map(len, lines))

    counts = []
    for padding in (10, 1000, 5000, 10_000, 15_000):
        count, size = remembered(padding)
        assert size <= MAX_HEAD_MEMO_BYTES
        counts.append(count)
    assert counts == [MAX_HEAD_MEMO, 28, 6, 3, 2]
    assert remembered(2000, 40)[0] == 1


def test_a_header_block_may_be_seen_by_several_routes() -> None:
    wire = Wire(
        [
            guarded("a", prefix="/one", set_request_headers={"X": "1"}),
            guarded("a", set_request_headers={"X": "2"}),
        ]
    )
    seen = []
    for path in (b"/one", b"/two", b"/one"):
        wire.send(GET.replace(b"/x", path) + b"\r\n")
        index = 0 if path == b"/one" else -1
        seen.append(b"X: 1" in wire.upstream(index))
        wire.answer(OK, index)
    assert seen == [True, False, True]


def test_a_fault_in_a_step_is_500() -> None:
    wire = Wire(steps=[Step(RuntimeError("a fault"))])
    assert answer(wire)[0] == 500
    assert wire.upstreams == []
    assert wire.log[0]["response-code-details"] == "internal_error"


@pytest.mark.parametrize(
    ("line", "content_type"),
    [
        (b"Accept: text/html", "text/html; charset=UTF-8"),
        (b"Accept: text/plain", "text/plain; charset=utf-8"),
        (b"Accept: application/json, text/plain, */*", "application/json"),
    ],
)
@pytest.mark.parametrize("failing", ["a step", "authorize"])
def test_a_fault_is_told_in_the_form_that_the_client_asks_for(
    monkeypatch: pytest.MonkeyPatch, failing: str, line: bytes, content_type: str
) -> None:
    status, details = fail(monkeypatch, failing)
    wire = Wire(steps=[Step(RuntimeError("a fault"))] if failing == "a step" else ())
    told = read_answers(wire.send(GET + line + b"\r\n\r\n"))[0]
    assert (told.status, told.header("Content-Type")) == (status, content_type)
    assert content_type.startswith("text/html") or details.encode() in told.body
    assert b"a fault" not in told.body
    assert (wire.upstreams, wire.log[0]["response-code-details"]) == ([], details)


@pytest.mark.parametrize(("failing", "code"), [("a step", "2"), ("authorize", "14")])
def test_a_fault_is_a_grpc_status_for_who_speaks_grpc(
    monkeypatch: pytest.MonkeyPatch, failing: str, code: str
) -> None:
    fail(monkeypatch, failing)
    wire = Wire(steps=[Step(RuntimeError("a fault"))] if failing == "a step" else ())
    told = read_answers(wire.send(GET + b"Content-Type: application/grpc\r\n\r\n"))[0]
    assert (told.status, told.header("Grpc-Status"), told.body) == (200, code, b"")
    assert wire.upstreams == []


def fail(monkeypatch: pytest.MonkeyPatch, failing: str) -> tuple[int, str]:
    """Status and details of what has a fault: a step that the door is given, or deciding."""
    if failing == "a step":
        return 500, "internal_error"

    def check(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Authorizer, "check", check)
    return 503, "ext_authz_error"


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_may_wait(fails: bool) -> None:
    waiting: Deferred[object] = Deferred()
    wire = Wire(steps=[Step(waiting)])
    assert wire.send(GET + b"\r\n") == b""
    if fails:
        waiting.errback(RuntimeError("a fault"))
        assert read_answers(wire.pipe.take())[0].status == 500
        assert wire.upstreams == []
    else:
        waiting.callback(None)
        assert read_answers(wire.answer(OK))[0].status == 200


@pytest.mark.parametrize("outcome", [None, Respond(Reply(200, (), b"x"), "test"), RuntimeError("a fault")])
def test_a_client_that_leaves_while_a_step_waits_gets_nothing_done(outcome: object) -> None:
    waiting: Deferred[object] = Deferred()
    wire = Wire(steps=[Step(waiting)])
    wire.send(GET + b"\r\n")
    wire.client_closes()
    if isinstance(outcome, Exception):
        waiting.errback(outcome)
    else:
        waiting.callback(outcome)
    assert (wire.upstreams, wire.pipe.take(), len(wire.log)) == ([], b"", 1)


@pytest.mark.parametrize("path", ["/.pomerium/", "/.pomerium/sign_in", "/.well-known/pomerium"])
def test_hosts_of_nobody_get_none_of_our_pages(path: str) -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert read_answers(wire.send(request))[0].status == 404


def test_probes_are_answered_at_any_host() -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    assert read_answers(wire.send(b"GET /ping HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"))[0].status == 200


def test_the_page_that_says_404_at_a_host_of_nobody_has_all_that_it_is_made_of() -> None:
    wire = Wire([guarded("a", SIGNED_IN)], own=PathTree(asset_pages()))
    ask = "GET {} HTTP/1.1\r\nHost: nobody.example\r\n\r\n".format
    page = read_answers(wire.send(ask("/").encode()))[0]
    assert page.status == 404
    parts = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
    assert len(parts) == 5
    for part in parts:
        assert read_answers(wire.send(ask(part).encode()))[0].status == 200, part


def test_an_upstream_cannot_speak_in_our_name() -> None:
    wire = Wire([guarded("a", SIGNED_IN)])
    wire.send(GET + b"Cookie: " + wire.door.sign_in("a").encode() + b"\r\n\r\n")
    lines = b"X-Pomerium-Jwt-Assertion: x\r\nSet-Cookie: _pomerium=x; Domain=a\r\nSet-Cookie: own=1\r\n"
    sent = wire.answer(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nhi")
    assert b"Set-Cookie: own=1" in sent
    assert b"_pomerium" not in sent and b"X-Pomerium" not in sent


def sent_upstream(wire: Wire, cookie: bytes, *lines: bytes) -> list[bytes]:
    """The header lines that reach the upstream."""
    fields = b"".join(line + b"\r\n" for line in (b"Cookie: " + cookie, *lines))
    wire.send(GET + fields + b"\r\n")
    seen = wire.upstream()
    wire.answer(OK)
    return seen.split(b"\r\n")


def test_templates_give_an_upstream_what_the_client_sent_and_never_our_own_credentials() -> None:
    """Spec/threats HS-15 to HS-17."""
    templates = {
        "X-Told": '${pomerium.request.headers["X-Said"]}',
        "X-Cookie": "$pomerium.request.headers.Cookie",
        "X-Auth": "$pomerium.request.headers.Authorization",
        "X-Own": "$pomerium.request.headers.X-Pomerium-Authorization",
    }
    wire = Wire([guarded("a", SIGNED_IN, set_request_headers=templates)])
    cookie = wire.door.sign_in("a").encode()
    lines = sent_upstream(
        wire,
        cookie + b"; b=2",
        b"X-Said: ${pomerium.jwt} $$",
        b"Authorization: Pomerium secret",
        b"X-Pomerium-Authorization: secret",
        b"X-Told: forged",
    )
    assert b"X-Told: ${pomerium.jwt} $$" in lines and b"X-Told: forged" not in lines
    assert {b"X-Cookie: b=2", b"X-Auth: ", b"X-Own: "} <= set(lines)
    assert not any(b"secret" in line or b"_pomerium" in line for line in lines)
    other = sent_upstream(wire, cookie, b"X-Said: another")
    assert b"X-Told: another" in other


def test_a_kubernetes_api_is_asked_in_the_callers_name() -> None:
    wire = Wire([guarded("a", SIGNED_IN, kubernetes_service_account_token=Secret(b"TOKEN"))])
    wire.door.store.put([Record.new(DIRECTORY_USER, "ann@example.com", {"group_ids": ["dev", "ops,root"]})])
    cookie = wire.door.sign_in("a").encode()
    lines = sent_upstream(wire, cookie, b"Impersonate-Group: system:masters", b"Authorization: Bearer x")
    own = [line for line in lines if line.startswith((b"Imp", b"imp", b"Auth"))]
    assert own == [
        b"Authorization: Bearer TOKEN",
        b"Impersonate-User: ann@example.com",
        b"Impersonate-Group: dev",
    ]


HOST_FROM_HEADER = {
    "host_rewrite_header": "X-Want",
    "set_request_headers": {"X-Want": '${pomerium.request.headers["X-Tenant"]}'},
}


@pytest.mark.parametrize("proved", [False, True])
def test_a_request_that_makes_no_host_of_a_header_of_ours_is_refused(proved: bool) -> None:
    wire = Wire([guarded("a", SIGNED_IN, pass_identity_headers=proved, **HOST_FROM_HEADER)])
    cookie = b"Cookie: " + wire.door.sign_in("a").encode()
    for tenant in (b"X-Tenant: a b", b"X-Other: a", b"X-Tenant: a@b"):
        assert answer(wire, tenant, cookie)[0] == 400
        assert wire.log[-1]["response-code-details"] == "rewritten_path_rejected"
    assert wire.upstreams == []
    wire.send(GET + b"X-Tenant: one.test\r\n" + cookie + b"\r\n\r\n")
    assert b"\r\nHost: one.test\r\n" in wire.upstream()
    assert read_answers(wire.answer(OK))[0].status == 200
