"""Keys that rewrite paths, hosts and headers (spec/proxy §2.5, §3.3, §3.5)."""

from __future__ import annotations

import pytest

from pomerium_tw.config import RouteSettings
from pomerium_tw.config.rewriting import MAX_PATTERN_BYTES, highest_group
from pomerium_tw.model import HeaderRewrite, Substitution

from .conftest import Load, Problems

HEAD = "routes:\n  - from: https://a.example.com\n    to: http://a\n"
BASE = HEAD + "    allow_public_unauthenticated_access: true\n"


def only(loaded: Load, *lines: str) -> RouteSettings:
    (route,) = loaded(BASE + "".join(f"    {line}\n" for line in lines)).settings.routes
    return route


def test_patterns_and_their_substitutions_are_decoded(loaded: Load) -> None:
    route = only(
        loaded,
        r"regex_rewrite_pattern: '^/v(\d+)/(.*)$'",
        r"regex_rewrite_substitution: '/\2;v=\1%20\0'",
        r"host_path_regex_rewrite_pattern: '^/(\w+)/.*$'",
        r"host_path_regex_rewrite_substitution: '\1.example.com:80'",
    )
    assert route.regex_rewrite == Substitution(r"^/v(\d+)/(.*)$", r"/\2;v=\1%20\0")
    assert route.host_path_rewrite == Substitution(r"^/(\w+)/.*$", r"\1.example.com:80")
    assert (only(loaded).regex_rewrite, only(loaded).host_path_rewrite) == (None, None)
    assert only(loaded, "regex_rewrite_pattern: /x").regex_rewrite == Substitution("/x", "")


@pytest.mark.parametrize(
    ("written", "highest"),
    [("", 0), ("/x", 0), (r"\0", 0), (r"\2\1", 2), (r"\12", 1), (r"\\2", 0), (r"\\\3", 3)],
)
def test_a_group_is_one_digit_behind_a_backslash(written: str, highest: int) -> None:
    assert highest_group(written) == highest


@pytest.mark.parametrize("stem", ["regex_rewrite", "host_path_regex_rewrite"])
@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        ("(?=x)", "x", "5:{p}: {k}_pattern: this is not a regular expression of RE2"),
        ("(x", "x", "5:{p}: {k}_pattern: this is not a regular expression of RE2"),
        ("(x)", r"\2", "6:{s}: {k}_substitution names the group 2, {k}_pattern has 1"),
        ("(?:x)", r"\1", "6:{s}: {k}_substitution names the group 1, {k}_pattern has 0"),
        ("(x)", "\\", "6:{s}: {k}_substitution: behind a backslash stands the number of a group"),
        ("(x)", r"\g<1>", "6:{s}: {k}_substitution: behind a backslash stands the number of a group"),
        ("x", "a b", "6:{s}: {k}_substitution: "),
        ("x", "a/é", "6:{s}: {k}_substitution: "),
        ("x", r"a\\b", "6:{s}: {k}_substitution: "),
        ("x", "a?b", "6:{s}: {k}_substitution: "),
        ("x", "a#b", "6:{s}: {k}_substitution: "),
        ("x" * (MAX_PATTERN_BYTES + 1), "", "5:{p}: {k}_pattern: the regular expression is longer than"),
    ],
)
def test_a_broken_substitution_is_refused_in_place(
    problems: Problems, stem: str, pattern: str, replacement: str, problem: str
) -> None:
    lines = f"    {stem}_pattern: '{pattern}'\n    {stem}_substitution: '{replacement}'\n"
    (found,) = problems(BASE + lines)
    at = {"p": len(f"    {stem}_pattern: ") + 1, "s": len(f"    {stem}_substitution: ") + 1}
    assert found.startswith(problem.format(**at, k=stem))


def test_a_host_is_not_a_path(problems: Problems) -> None:
    (found,) = problems(
        BASE + "    host_path_regex_rewrite_pattern: x\n    host_path_regex_rewrite_substitution: a/b\n"
    )
    assert found.endswith("this does not make a host name")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("/a b", "no blanks"),
        ('"/a\\r\\nX: y"', "no blanks"),
        ("/é", "no letters beyond ASCII"),
        ("/100%", "% itself as %25"),
        ("/a?b=c", "no query"),
        ("'/a#b'", "no fragment"),
        ("/a/../b", ". or .."),
        ("/a/%2e%2E", ". or .."),
        ("..", ". or .."),
        ("/a/..;x/b", ". or .."),
        (r"/a\b", "backslash"),
    ],
)
def test_a_prefix_that_makes_no_path_is_refused(
    loaded: Load, problems: Problems, written: str, message: str
) -> None:
    (found,) = problems(f"{BASE}    prefix_rewrite: {written}\n")
    assert found.startswith("5:21: prefix_rewrite: a path ")
    hints = "no blanks and no letters beyond ASCII; write them as %XX, and % itself as %25"
    assert message in found + hints


@pytest.mark.parametrize("written", ["/", "/a/", "/a%20b", "/.well-known/x", "/a..b", "/...", "''"])
def test_a_prefix_that_makes_a_path_is_taken(loaded: Load, written: str) -> None:
    assert only(loaded, f"prefix_rewrite: {written}").prefix_rewrite == written.strip("'")


def test_a_path_is_rewritten_in_one_way(problems: Problems) -> None:
    lines = "    prefix_rewrite: /x\n    regex_rewrite_pattern: /y\n"
    assert problems(BASE + lines) == ["6:28: prefix_rewrite and regex_rewrite_pattern are both set"]


def test_a_substitution_without_a_pattern_is_told(warnings: Problems) -> None:
    assert warnings(BASE + "    regex_rewrite_substitution: /x\n") == [
        "5:33: regex_rewrite_substitution has no effect without regex_rewrite_pattern"
    ]


def test_of_several_ways_to_a_host_the_first_counts(warnings: Problems) -> None:
    lines = (
        "    preserve_host_header: true\n    host_path_regex_rewrite_pattern: x\n"
        "    host_rewrite_header: X-Host\n    host_rewrite: b\n"
    )
    assert warnings(BASE + lines) == [
        "5:27: preserve_host_header has no effect beside host_rewrite",
        "6:38: host_path_regex_rewrite_pattern has no effect beside host_rewrite",
        "7:26: host_rewrite_header has no effect beside host_rewrite",
    ]


def test_rewriting_without_an_upstream_is_told(warnings: Problems) -> None:
    assert warnings(BASE + "    prefix_rewrite: /x\n") == []
    route = BASE.replace("to: http://a", "redirect: {host_redirect: b}")
    assert warnings(route + "    prefix_rewrite: /x\n") == [
        "5:21: prefix_rewrite has no effect on a route without an upstream"
    ]


@pytest.mark.parametrize("written", ["'a b'", "'a..b'", '"a\\r\\nX: y"'])
def test_a_host_that_is_none_is_refused(problems: Problems, written: str) -> None:
    (found,) = problems(f"{BASE}    host_rewrite: {written}\n")
    assert found.startswith("5:19: host_rewrite: the host is not a host name or IP address")


def test_a_header_names_the_host(loaded: Load, problems: Problems) -> None:
    assert only(loaded, "host_rewrite_header: X-Host").host_rewrite_header == "X-Host"
    assert only(loaded, "host_rewrite_header: ''").host_rewrite_header == ""
    assert problems(f"{BASE}    host_rewrite_header: 'X Host'\n") == [
        "5:26: host_rewrite_header: this is not a header name"
    ]


def test_response_headers_are_rewritten_by_entries(loaded: Load) -> None:
    route = only(
        loaded,
        "rewrite_response_headers:",
        "  - {header: Location, prefix: 'http://a/', value: 'https://a.example.com/'}",
        "  - {header: X-A, prefix: , value: y}",
    )
    assert [each.rewrite for each in route.rewrite_response_headers] == [
        HeaderRewrite("Location", "http://a/", "https://a.example.com/"),
        HeaderRewrite("X-A", "", "y"),
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("[{prefix: x, value: y}]", "5:32: rewrite_response_headers: header is missing"),
        ("[{header: 'a b'}]", "5:41: header: this is not a header name"),
        ("[{header: Content-Length}]", "5:41: header: the header Content-Length frames the message"),
        ('[{header: a, value: "x\\r\\ny"}]', "5:51: value: a header value must not hold line breaks"),
        ("[{header: a, prefx: b}]", "5:44: rewrite_response_headers: there is no key prefx"),
        ("[Location]", "5:32: rewrite_response_headers: a mapping is expected here"),
        ("{header: a}", "5:31: rewrite_response_headers: "),
    ],
)
def test_a_broken_rewriting_of_headers_is_refused_in_place(
    problems: Problems, written: str, problem: str
) -> None:
    (found,) = problems(f"{BASE}    rewrite_response_headers: {written}\n")
    assert found.startswith(problem)


@pytest.mark.parametrize("action", ["keep_unchanged", "REJECT_REQUEST"])
def test_a_route_says_what_becomes_of_escaped_slashes(loaded: Load, action: str) -> None:
    route = only(loaded, f"path_with_escaped_slashes_action: {action}")
    assert route.path_with_escaped_slashes_action == action.lower()
    assert only(loaded).path_with_escaped_slashes_action is None


@pytest.mark.parametrize("action", ["unescape_and_redirect", "unescape_and_forward", "''", "x"])
def test_a_route_comes_too_late_to_unescape(problems: Problems, action: str) -> None:
    (found,) = problems(f"{BASE}    path_with_escaped_slashes_action: {action}\n")
    assert found.startswith("5:39: path_with_escaped_slashes_action: ")
    assert ("before a route is found" in found) is action.startswith("unescape")


@pytest.mark.parametrize(
    "written", ["'a b'", "''", "a@b", "'a:b'", "'2001:db8::7'", "https://a", "é.b", "a.."]
)
def test_a_header_that_is_set_to_no_host_makes_none(problems: Problems, written: str) -> None:
    lines = f"    host_rewrite_header: x-host\n    set_request_headers:\n      X-Host: {written}\n"
    assert problems(BASE + lines) == [
        "7:15: host_rewrite_header makes the Host of X-Host, and this is no host"
    ]


@pytest.mark.parametrize(
    "written", ["a.b", "A.b:8080", "app-.lan", "-a", "a.b.", "'[::1]:80'", "'${pomerium.jwt}'", "'$a b'"]
)
def test_a_header_that_is_set_to_a_host_or_by_reference_may_make_it(loaded: Load, written: str) -> None:
    lines = ("host_rewrite_header: X-Host", f"set_request_headers: {{X-Host: {written}, X-Other: a b}}")
    assert only(loaded, *lines).host_rewrite_header == "X-Host"
