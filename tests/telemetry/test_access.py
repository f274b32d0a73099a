"""The access log: the fields of the specification, whatever a client sends."""

from __future__ import annotations

import tracemalloc

import pytest

from pomerium_tw.telemetry import ACCESS_FIELDS, AccessLog

from .values import STARTED, Sink, access, request


def logged(sink: Sink, *fields: str) -> AccessLog:
    return AccessLog(sink.writer, fields) if fields else AccessLog(sink.writer)


def test_the_default_fields_are_written() -> None:
    sink = Sink()
    headers = (
        (b"user-agent", b"curl/8"),
        (b"referer", b"https://a.example/x?token=1"),
        (b"x-forwarded-for", b"10.0.0.1"),
    )
    logged(sink).record(access(request(b"/a%20b?secret=1", headers, port=8443)), STARTED + 0.0125)
    assert sink.line() == {
        "level": "info",
        "time": "2026-01-31T23:59:59.512Z",
        "message": "http-request",
        "service": "proxy",
        "upstream-cluster": "route-1",
        "method": "GET",
        "authority": "app.example.com:8443",
        "path": "/a%20b",
        "user-agent": "curl/8",
        "referer": "https://a.example/x",
        "forwarded-for": "10.0.0.1",
        "request-id": "5f1c",
        "duration": 12.5,
        "size": 17,
        "response-code": 200,
        "response-code-details": "via_upstream",
    }


def test_chosen_fields_come_in_their_order_and_unknown_ones_are_left_out() -> None:
    sink = Sink()
    logged(sink, "query", "ip", "unknown", "cluster-stat-name").record(access(), STARTED + 0.0125)
    line = sink.line()
    assert list(line)[4:] == ["query", "ip", "cluster-stat-name"]
    assert (line["query"], line["ip"]) == ("b=c", "192.0.2.1")


def test_every_field_can_be_chosen() -> None:
    sink = Sink()
    logged(sink, *sorted(ACCESS_FIELDS)).record(access(request(b"/no-query")), STARTED + 0.0125)
    assert set(sink.line()) >= ACCESS_FIELDS


def test_selected_headers_stand_together_and_absent_ones_are_left_out() -> None:
    sink = Sink()
    log = logged(sink, "headers.X-One", "method", "headers.x-two", "headers.X-Three")
    log.record(
        access(request(fields=((b"x-one", b"1"), (b"x-two", b"a"), (b"x-two", b"b")))), STARTED + 0.0125
    )
    assert sink.line()["headers"] == {"X-One": "1", "x-two": "a, b"}


def test_credentials_are_stars_even_when_chosen() -> None:
    sink = Sink()
    names = (
        "Authorization",
        "cookie",
        "X-Pomerium-Authorization",
        "X-Pomerium-Jwt-Assertion",
        "Proxy-Authorization",
    )
    log = logged(sink, *(f"headers.{name}" for name in names))
    log.record(
        access(request(fields=tuple((name.lower().encode(), b"secret mark") for name in names))),
        STARTED + 0.0125,
    )
    assert sink.line()["headers"] == dict.fromkeys(names, "********")
    assert "secret mark" not in sink.text


NASTY = '\r\n{"level":"forged"}\x1b[31m\x07\x00\x7f\u2028\u2029\u0085 \\ "'


def test_nothing_a_client_sends_makes_a_second_line_or_a_control_character() -> None:
    sink = Sink()
    raw = NASTY.encode()
    headers = ((b"user-agent", raw), (b"referer", raw), (b"x-forwarded-for", raw), (b"x-own", raw))
    nasty = request(b"/%0D%0A", headers, host=NASTY)
    log = logged(sink, *ACCESS_FIELDS, "headers.X-Own")
    log.record(access(nasty, details=NASTY), STARTED + 0.0125)
    line = sink.line()
    for name in ("user-agent", "referer", "forwarded-for", "authority", "response-code-details"):
        assert line[name] == NASTY
    assert line["headers"] == {"X-Own": NASTY}
    assert not set(sink.text.rstrip("\n")) & {chr(code) for code in (*range(32), 127)} - {"\x7f"}


def test_bytes_that_are_no_text_are_shown_escaped() -> None:
    sink = Sink()
    logged(sink).record(access(request(fields=((b"user-agent", b"a\xff\xc3\xa4"),))), STARTED + 0.0125)
    assert sink.line()["user-agent"] == "a\\xffä"


def test_long_values_are_cut_with_their_length_noted() -> None:
    sink = Sink()
    size = 1024 * 1024
    fields = tuple((name, b"x" * size) for name in (b"user-agent", b"referer", b"x-forwarded-for", b"x-own"))
    long = request(b"/" + b"p" * (size - 1) + b"?" + b"q" * size, fields)
    logged(sink, *ACCESS_FIELDS, "headers.x-own").record(access(long), STARTED + 0.0125)
    line = sink.line()
    assert line["user-agent"] == "x" * 2048 + f"… ({size} bytes)"
    for name in ("path", "query", "referer", "forwarded-for"):
        assert line[name].endswith(f"… ({size} bytes)")
    assert len(sink.text) < 20_000


def test_a_long_value_is_cut_before_it_is_read_as_text() -> None:
    """Reading 1 MB of what is no text takes a fifth of a second, and eight times the memory."""
    sink = Sink()
    size = 1024 * 1024
    names = (b"user-agent", b"referer", b"x-forwarded-for", b"x-own")
    odd = request(b"/", tuple((name, b"\xff" * size) for name in names))
    log = logged(sink, "user-agent", "referer", "forwarded-for", "headers.x-own")
    tracemalloc.start()
    log.record(access(odd), STARTED + 0.0125)
    line = sink.line()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size
    shown = "\\xff" * 2048 + f"… ({size} bytes)"
    assert (line["user-agent"], line["referer"], line["forwarded-for"]) == (shown, shown, shown)
    assert line["headers"] == {"x-own": shown}


@pytest.mark.parametrize("before", range(4))
def test_a_long_value_is_not_cut_inside_of_a_character(before: int) -> None:
    sink = Sink()
    text = "x" * before + "\N{GRINNING FACE}" * 1024
    logged(sink).record(access(request(fields=((b"user-agent", text.encode()),))), STARTED + 0.0125)
    kept, _, _ = sink.line()["user-agent"].partition("…")
    assert kept == text[: len(kept)]
    assert 2044 < len(kept.encode()) <= 2048


def test_codes_and_tokens_in_addresses_are_stars() -> None:
    sink = Sink()
    url = b"https://auth.example.com/oauth2/callback?code=secret-mark"
    fields = ((b"referer", url), (b"x-original-url", url + b"&lang=en"), (b"user-agent", b"what? a=b"))
    asked = request(b"/cb?lang=en&code=secret-mark&state=secret-mark", fields)
    names = ("headers.Referer", "headers.X-Original-Url", "headers.User-Agent")
    logged(sink, "query", "referer", *names).record(access(asked), STARTED + 0.0125)
    line = sink.line()
    assert line["query"] == "lang=en&code=********&state=********"
    assert line["referer"] == "https://auth.example.com/oauth2/callback"
    assert line["headers"] == {
        "Referer": "https://auth.example.com/oauth2/callback",
        "X-Original-Url": "https://auth.example.com/oauth2/callback?code=********&lang=en",
        "User-Agent": "what? a=b",
    }
    assert "secret-mark" not in sink.text


def test_a_token_that_is_cut_is_stars_too() -> None:
    sink = Sink()
    asked = request(b"/?a=" + b"b" * 2000 + b"&access_token=" + b"secret-mark" * 1000)
    logged(sink, "query").record(access(asked), STARTED + 0.0125)
    assert sink.line()["query"] == f"a={'b' * 2000}&access_token=********… ({2002 + 14 + 11000} bytes)"


@pytest.mark.parametrize("path", [b"/ping", b"/healthz"])
def test_probes_are_written_at_debug_alone(path: bytes) -> None:
    sink = Sink()
    AccessLog(sink.writer).record(access(request(path)), STARTED + 0.0125)
    assert sink.lines() == []
    AccessLog(sink.writer, debug=True).record(access(request(path)), STARTED + 0.0125)
    assert sink.line()["level"] == "debug"


@pytest.mark.parametrize("fields", [(), ("path",), ("ip", "path", "headers.X-One")])
def test_what_is_no_request_tells_its_address_and_is_no_probe_whatever_it_names(
    fields: tuple[str, ...],
) -> None:
    sink = Sink()
    asked = access(request(b"/ping", ((b"x-one", b"1"),)))
    AccessLog(sink.writer, fields).record_refused(asked, STARTED + 0.0125)
    line = sink.line()
    assert (line["level"], line["ip"]) == ("info", "192.0.2.1")
    assert set(line) - {"level", "time", "message", "service"} == {
        *(name.partition(".")[0] for name in fields),
        "ip",
    }
    AccessLog(sink.writer, fields, enabled=False).record_refused(asked, STARTED)
    assert len(sink.lines()) == 1


def test_a_log_that_is_off_writes_nothing() -> None:
    sink = Sink()
    AccessLog(sink.writer, enabled=False).record(access(), STARTED + 0.0125)
    assert sink.lines() == []


def test_requests_of_one_connection_share_a_header_block_and_keep_their_own_fields() -> None:
    sink = Sink()
    first = request(b"/one", ((b"user-agent", b"a"),))
    log = logged(sink)
    log.record(access(first), STARTED + 0.0125)
    log.record(
        access(first._replace(id="other", target=first.target._replace(raw_path=b"/two"))), STARTED + 0.0125
    )
    assert [(line["path"], line["request-id"], line["user-agent"]) for line in sink.lines()] == [
        ("/one", "5f1c", "a"),
        ("/two", "other", "a"),
    ]
