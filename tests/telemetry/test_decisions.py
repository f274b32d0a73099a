"""The authorize log: who asked for what, what was decided, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pomerium_tw.model import (
    ANONYMOUS,
    MAX_MEMO,
    Decision,
    DirectoryGroup,
    DirectoryUser,
    Identity,
    MCPCall,
    Outcome,
    Route,
    Session,
    User,
)
from pomerium_tw.telemetry import AUTHORIZE_FIELDS, DecisionLog

from .values import STARTED, Sink, request

ROUTE = Route("abc123", "app-abc123", "app.example.com", None, (), checksum=7)
SIGNED_IN = Identity(Session("s1", "u1", "idp", 0, 9, {"a": ("b",)}), User("u1", email="u@example.com"))
IMPERSONATE = {"impersonate-session-id", "impersonate-user-id", "impersonate-email"}
ALLOWED = Decision(Outcome.ALLOW, 200, True, frozenset(("user-ok", "domain-ok")), False, frozenset(), "")


def test_the_default_fields_and_the_reasons_are_written() -> None:
    sink = Sink()
    DecisionLog(sink.writer).record(
        STARTED, request(port=8443), ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo
    )
    assert sink.line() == {
        "level": "info",
        "time": "2026-01-31T23:59:59.500Z",
        "message": "authorize check",
        "service": "authorize",
        "request-id": "5f1c",
        "check-request-id": "5f1c",
        "method": "GET",
        "path": "/a",
        "host": "app.example.com:8443",
        "ip": "192.0.2.1",
        "session-id": "s1",
        "user": "u1",
        "email": "u@example.com",
        "route-id": "abc123",
        "route-checksum": 7,
        "allow": True,
        "allow-why-true": ["domain-ok", "user-ok"],
        "deny": False,
        "deny-why-false": [],
    }


@pytest.mark.parametrize(("allow", "deny"), [(True, True), (True, False), (False, True), (False, False)])
def test_each_value_has_its_reasons(allow: bool, deny: bool) -> None:
    sink = Sink()
    decision = Decision(Outcome.DENY, 403, allow, frozenset(("a",)), deny, frozenset(("d",)), "")
    DecisionLog(sink.writer, ()).record(STARTED, request(), ROUTE, ANONYMOUS, decision, memo={})
    line = sink.line()
    assert (line["allow"], line[f"allow-why-{str(allow).lower()}"]) == (allow, ["a"])
    assert (line["deny"], line[f"deny-why-{str(deny).lower()}"]) == (deny, ["d"])


def test_an_anonymous_caller_has_no_session_id_and_empty_names() -> None:
    sink = Sink()
    DecisionLog(sink.writer).record(STARTED, request(), ROUTE, ANONYMOUS, ALLOWED, memo={})
    line = sink.line()
    assert "session-id" not in line
    assert (line["user"], line["email"]) == ("", "")


def test_every_field_can_be_chosen() -> None:
    sink = Sink()
    DecisionLog(sink.writer, AUTHORIZE_FIELDS).record(
        STARTED, request(), ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo
    )
    never = {
        "envoy-route-checksum",
        "envoy-route-id",
        "mcp-tool-parameters",
        "service-account-id",
    }
    does_not_apply = {"mcp-method", "mcp-tool", "removed-groups-count"}
    assert set(sink.line()) >= AUTHORIZE_FIELDS - never - does_not_apply - IMPERSONATE
    assert not set(sink.line()) & (never | does_not_apply | IMPERSONATE)
    assert sink.line()["query"] == "b=c"
    assert sink.line()["id-token-claims"] == {"a": ["b"]}


def test_codes_and_tokens_in_addresses_are_stars() -> None:
    sink = Sink()
    referer = b"https://a.example/cb?code=secret-mark"
    asked = request(b"/cb?a=b&code=secret-mark", ((b"referer", referer), (b"x-url", referer)))
    DecisionLog(sink.writer, ("query", "headers")).record(
        STARTED, asked, ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo
    )
    line = sink.line()
    assert line["query"] == "a=b&code=********"
    assert line["headers"] == {
        "Referer": "https://a.example/cb",
        "X-Url": "https://a.example/cb?code=********",
    }


def test_names_from_a_provider_and_hosts_from_a_client_stay_on_the_line_and_in_bounds() -> None:
    sink = Sink()
    nasty = '\r\n{"allow":true}\x1b\u2028"'
    user = User("u1", email=nasty)
    who = Identity(Session(nasty, nasty, "idp", 0, 9), user)
    DecisionLog(sink.writer).record(STARTED, request(host="h" * 100_000), ROUTE, who, ALLOWED, memo=who.memo)
    line = sink.line()
    assert (line["session-id"], line["user"], line["email"]) == (nasty, nasty, nasty)
    assert line["host"].endswith("… (100000 characters)")


def test_decisions_that_differ_never_share_their_ending() -> None:
    sink = Sink()
    log = DecisionLog(sink.writer, ())
    decisions = [
        Decision(Outcome.DENY, 403, False, frozenset((f"r{number}",)), False, frozenset(), "")
        for number in range(5000)
    ]
    for decision in decisions:
        log.record(STARTED, request(), ROUTE, ANONYMOUS, decision, memo={})
    assert [line["allow-why-false"] for line in sink.lines()] == [[f"r{number}"] for number in range(5000)]


def test_what_is_remembered_of_anonymous_callers_lies_where_the_asker_says_and_none_drops_out() -> None:
    """Whoever goes through all public routes must not make the others' lines dearer."""
    sink, texts = Sink(), {}
    log = DecisionLog(sink.writer)
    routes = [replace(ROUTE, id=f"r{number}") for number in range(2 * MAX_MEMO)]
    for route in routes:
        log.record(STARTED, request(), route, ANONYMOUS, ALLOWED, memo=texts)
    assert [line["route-id"] for line in sink.lines()] == [route.id for route in routes]
    first = dict(texts)
    for route in routes:
        log.record(STARTED, request(), route, ANONYMOUS, ALLOWED, memo=texts)
    sink.writer.flush()
    assert texts == first and {route.id for route in routes} == {key[1] for key in texts}
    assert not ANONYMOUS.memo
    who = replace(SIGNED_IN, memo={})
    for route in routes:
        log.record(STARTED, request(), route, who, ALLOWED, memo=who.memo)
    sink.writer.flush()
    assert 0 < len(who.memo) <= MAX_MEMO


def test_a_log_that_is_off_writes_nothing() -> None:
    sink = Sink()
    DecisionLog(sink.writer, enabled=False).record(STARTED, request(), ROUTE, ANONYMOUS, ALLOWED, memo={})
    assert sink.lines() == []


def test_impersonation_shows_who_asks_and_as_whom() -> None:
    sink = Sink()
    admin = Session("s0", "admin", "idp", 0, 9, {"email": ("admin@example.com",)})
    who = replace(SIGNED_IN, presented=admin)
    DecisionLog(sink.writer).record(STARTED, request(), ROUTE, who, ALLOWED, memo=who.memo)
    line = sink.line()
    assert (line["session-id"], line["user"], line["email"]) == ("s0", "admin", "admin@example.com")
    assert [line[name] for name in sorted(IMPERSONATE)] == ["u@example.com", "s1", "u1"]


@pytest.mark.parametrize(("told", "count"), [([], None), (["a", "b"], None), (["a"], 1), (["x"], 2)])
def test_groups_that_the_upstream_is_not_told_are_counted(told: list[str], count: int | None) -> None:
    sink = Sink()
    groups = (DirectoryGroup("a"), DirectoryGroup("b"))
    who = replace(SIGNED_IN, directory=DirectoryUser("u1", groups=groups))
    log = DecisionLog(sink.writer)
    log.record(STARTED, request(), ROUTE, who, ALLOWED, memo=who.memo)
    log.record(
        STARTED,
        request(),
        replace(ROUTE, jwt_groups_filter=frozenset(told), checksum=8),
        who,
        ALLOWED,
        memo=who.memo,
    )
    before, after = sink.lines()
    assert ("removed-groups-count" in before, after.get("removed-groups-count")) == (False, count)


def test_a_call_of_a_tool_is_named() -> None:
    sink = Sink()
    log = DecisionLog(sink.writer, ["mcp-method", "mcp-tool"])
    call = request()._replace(mcp=MCPCall(1, "tools/call", 'to"ol'))
    log.record(STARTED, call, ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo)
    log.record(STARTED, call._replace(mcp=MCPCall(1, "ping")), ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo)
    lines = [{name: line.get(name) for name in ("mcp-method", "mcp-tool")} for line in sink.lines()]
    assert lines == [
        {"mcp-method": "tools/call", "mcp-tool": 'to"ol'},
        {"mcp-method": "ping", "mcp-tool": None},
    ]


FIELDS = ((b"x-request-kind", b"a"), (b"cookie", b"secret"), (b"x-request-kind", b"b"), (b"etag", b"\xff"))


@pytest.mark.parametrize(
    ("chosen", "headers"),
    [
        (["headers"], {"X-Request-Kind": "a, b", "Cookie": "********", "Etag": "\\xff"}),
        (["headers.X-Request-KIND", "headers.missing"], {"X-Request-KIND": "a, b"}),
        (["headers.ETag", "headers"], {"X-Request-Kind": "a, b", "Cookie": "********", "Etag": "\\xff"}),
        (["path"], None),
    ],
)
def test_headers_are_written_when_they_are_chosen_credentials_as_stars(
    chosen: list[str], headers: dict[str, str] | None
) -> None:
    sink = Sink()
    DecisionLog(sink.writer, chosen).record(
        STARTED, request(fields=FIELDS), ROUTE, SIGNED_IN, ALLOWED, memo=SIGNED_IN.memo
    )
    assert sink.line().get("headers") == headers
