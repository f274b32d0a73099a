"""Path rules that match no request: errors where Pomerium matches, warnings where it does not either."""

from __future__ import annotations

from itertools import product

import pytest

from pomerium_tw.config import ConfigError
from pomerium_tw.model import Peer, Request, Route
from pomerium_tw.proxy import HeadError, HeadRules, RoutePlan, Router, TargetRules, parse_target
from pomerium_tw.proxy.head import parse_head

from .conftest import Load, Problems

HEAD = "routes:\n  - from: https://a.example.com\n    to: http://a\n"
BASE = HEAD + "    allow_public_unauthenticated_access: true\n"
NEVER = {
    "prefix: /a//b": "write one /",
    "prefix: /a/../b": "write the path that is meant",
    "prefix: /./b": "write the path that is meant",
    "path: /a/..": "write the path that is meant",
    "path: /a//": "write one /",
    "path: '/a;b'": "leave the ; out",
    "prefix: '/a;b'": "leave the ; out",
    "path: /a\\b": "write /",
    'prefix: "/a\\tb"': "leave them out",
    "path: /healthz": "choose another path",
    "path: /.pomerium/a": "choose another path",
    "prefix: /.pomerium/a": "choose another path",
    "prefix: /.well-known/pomerium/": "choose another path",
    "regex: admin": "it must match the whole path: write / or .* first",
    "regex: '[a-z]+'": "it must match",
    "regex: ^$": "it must match",
    "regex: '/a;b.*'": "leave the ; out",
    "regex: /a//.*": "write one /",
    "regex: '/a/\\.\\./b'": "write the path that is meant",
    "regex: '/a\\\\b'": "write /",
    "regex: ^/healthz$": "choose another path",
    "regex: '/\\.pomerium'": "choose another path",
    "regex: '/\\.pomerium/.*'": "choose another path",
}
"""A path rule → what to do."""


def findings(loaded: Load, lines: str) -> list[tuple[str, str, bool]]:
    """Place and message, hint, and whether it stops, of what is said about path rules."""
    try:
        found, stops = loaded(BASE + lines).warnings, False
    except ConfigError as error:
        found, stops = error.problems, True
    return [(f"{each.span.line}:{each.span.column}: {each.message}", each.hint, stops) for each in found]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("path: /caf%C3%A9/admin", "write /café/admin"),
        ("prefix: /a%20b", "write /a b"),
        ("prefix: /100%25/", "write /100%/"),
        ("path: /a%20%23b", "write regex: '/a [#]b'"),
        ("prefix: /a.b%3F", "write regex: '/a\\.b[?].*'"),
        ("path: /a%3A%20b", "write '/a: b'"),
        ("path: '/a%20'", "write '/a '"),
        ("path: /a%2F%2Fb", "write /a//b, and set path_with_escaped_slashes_action: keep_unchanged"),
        ("path: /a/%2E%2E/b", "unescaped, it never matches: . and .. are resolved before; write the path"),
        ("path: /a%3Bb", "unescaped, it never matches: a path must be on the same route without the ;"),
        ("path: /health%7A", "unescaped, it never matches: pomerium_tw answers this address itself"),
        ("regex: /a%3Bb", "unescaped, it never matches: a path must be on the same route without the ;"),
        ("regex: /a%2Fb", "write /a/b, and set path_with_escaped_slashes_action: keep_unchanged"),
        ("regex: '/[%20]x%20%23'", "write '/[%20]x [#]'"),
        ("path: /100%debt", "leave the route out: paths with control characters"),
        ("path: /a%2fb", "write /a/b, and set path_with_escaped_slashes_action: keep_unchanged"),
        ("path: /a%2520b", "write regex: '/a[%]20b'"),
        (
            "path: /a%ff",
            "leave the route out: paths with control characters, or that are no UTF-8, are refused",
        ),
        (
            "path: /a%00",
            "leave the route out: paths with control characters, or that are no UTF-8, are refused",
        ),
        ("regex: /a%20b/.*", "write /a b/.*"),
        ("regex: '/(caf%C3%A9|%2e)/.*'", "write /(café|\\.)/.*"),
        ("regex: /%25.*", "write '/[%].*'"),
        ("regex: /a%ff", "leave the route out"),
    ],
)
def test_an_escaped_path_is_refused_with_what_to_write(loaded: Load, line: str, hint: str) -> None:
    name, _, _ = line.partition(":")
    message = f"{name} holds an escape, and routes see paths unescaped: it matches only what is escaped twice"
    ((said, advice, stops),) = findings(loaded, f"    {line}\n")
    assert (said, stops) == (f"5:{len(name) + 7}: {message}", True)
    assert advice.startswith(hint)
    assert advice.endswith("; for a percent sign in the path, write a regex with [%]")


@pytest.mark.parametrize("line", ["path: /a%2Cb%3A%20c", "prefix: /a%20%23b", "regex: '/a%7Bb%20%27c'"])
def test_what_is_advised_is_read_as_it_is_meant(loaded: Load, line: str) -> None:
    ((_, hint, _),) = findings(loaded, f"    {line}\n")
    name, _, _ = line.partition(":")
    advised = hint.removeprefix("write ").partition("; for a percent sign")[0]
    rule = advised if advised.startswith("regex: ") else f"{name}: {advised}"
    assert findings(loaded, f"    {rule}\n") == []


def test_an_action_that_keeps_slashes_is_not_asked_for_again(loaded: Load) -> None:
    lines = "    path: /a%2Fb\n    path_with_escaped_slashes_action: keep_unchanged\n"
    ((_, hint, _),) = findings(loaded, lines)
    assert hint.startswith("write /a/b; ")


@pytest.mark.parametrize(
    "pattern", ["/a(?:%20| )b", "/a(?:%2f)?b", "/%2[fF]x", "/%[0-9A-F]{2}x", r"/%\d\dx", "/a(?:%20)*"]
)
def test_a_part_of_a_regex_that_seems_escaped_is_a_warning(loaded: Load, pattern: str) -> None:
    ((message, hint, stops),) = findings(loaded, f"    regex: '{pattern}'\n")
    assert "regex seems to hold an escape, " in message
    assert message.endswith(": that part matches only what is escaped twice")
    assert "[%]" in hint
    assert not stops


@pytest.mark.parametrize(("line", "hint"), NEVER.items())
def test_what_no_path_fulfils_is_a_warning_with_the_next_step(loaded: Load, line: str, hint: str) -> None:
    ((message, said, stops),) = findings(loaded, f"    {line}\n")
    assert message.startswith(
        f"5:{len(line.partition(':')[0]) + 7}: {line.partition(':')[0]} never matches: "
    )
    assert said.startswith(hint)
    assert not stops


@pytest.mark.parametrize(
    ("line", "escape"),
    [
        ("path: /a?x=1", "%3F"),
        ("prefix: /a?", "%3F"),
        ("path: '/a#b'", "%23"),
        (r"regex: '/s\?q=.*'", "%3F"),
        ("regex: '/a#.*'", "%23"),
    ],
)
def test_a_query_or_a_fragment_matches_only_what_is_escaped(loaded: Load, line: str, escape: str) -> None:
    ((message, hint, stops),) = findings(loaded, f"    {line}\n")
    assert message.endswith(f"matches no path but those that callers write with {escape}")
    assert hint.endswith("in a regex")
    assert not stops


@pytest.mark.parametrize(
    "line",
    [
        "prefix: /a..b",
        "prefix: /a/..",
        "prefix: /healthz",
        "prefix: /.pomerium",
        "path: /healthz/x",
        "path: /100%",
        "path: /café",
        "regex: /a[%]20b",
        "regex: /100%",
        "regex: /100%free",
        "regex: '/sale/50%discount'",
        r"regex: '/\d+%[a-z]+'",
        "regex: /a%(b|c)",
        "regex: '/a[?]b'",
        "regex: '/a(;x)?'",
        r"regex: '/a(\?.*)?'",
        "regex: .*admin",
        "regex: '/?admin'",
        "regex: '/(?:healthz|x)'",
        r"regex: '/\.pomeriumx'",
        "prefix: /a//b\n    path: /a",
        "prefix: /a%20b\n    regex: /a",
    ],
)
def test_what_a_path_may_fulfil_is_not_told(loaded: Load, line: str) -> None:
    said = [each for each in findings(loaded, f"    {line}\n") if "no effect" not in each[0]]
    assert said == []


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("prefix: /a//b", "merge_slashes: false"),
        ("regex: /a//b", "merge_slashes: false"),
        ("prefix: /a/../b", "normalize_path: false"),
        ("prefix: /a//b", "path_with_escaped_slashes_action: keep_unchanged"),
        ("path: /a\\b", "path_with_escaped_slashes_action: keep_unchanged"),
        ("path: /a\\b", "routes"),
    ],
)
def test_settings_that_let_such_paths_in_are_heeded(loaded: Load, line: str, setting: str) -> None:
    action = (
        "    path_with_escaped_slashes_action: keep_unchanged\n" if setting == "routes" else f"{setting}\n"
    )
    assert findings(loaded, f"    {line}\n{action}") == []


def test_a_rule_beside_a_stronger_one_is_not_looked_at(warnings: Problems) -> None:
    assert warnings(f"{BASE}    prefix: /a//b\n    path: /b\n") == ["5:13: prefix has no effect beside path"]


def requests(rules: TargetRules) -> list[Request]:
    """One for every odd target that is let in under the rules."""
    head = parse_head(b"Host: a.example.com\r\n", HeadRules())
    pieces = (b"/", b"a", b"b", b".", b"..", b";b", b"%2F", b"%5C", b"\\", b"?", b"admin", b"%09")
    found = []
    for parts in product(pieces, repeat=4):
        try:
            target = parse_target("GET", b"/" + b"".join(parts), head, rules)
        except HeadError:
            continue
        found.append(Request("id", "GET", "https", target, head, Peer("192.0.2.1", 1)))
    return found


def test_what_is_said_never_to_match_never_does(loaded: Load) -> None:
    odd = requests(TargetRules())
    assert len(odd) > 500
    host = "a.example.com"
    told = [line for line in NEVER if "choose" not in NEVER[line]]
    for line in told:
        (route,) = loaded(f"{BASE}    {line}\n").settings.routes
        narrow = Route("1", "1", host, None, path=route.path, prefix=route.prefix, regex=route.regex)
        plan = RoutePlan(narrow, None)
        router = Router([plan, RoutePlan(Route("2", "2", host, None), None)])
        assert all(router.find(request) is not plan for request in odd), line
