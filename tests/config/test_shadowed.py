"""Routes that an earlier one takes all requests of."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import SupportsIndex

import pytest

from pomerium_tw.config import RouteSettings, Settings
from pomerium_tw.config.callers import CallersOf
from pomerium_tw.config.shadowed import _Paths, _Place, findings

from .conftest import Load, Problems

PUBLIC = "allow_public_unauthenticated_access: true"
NEVER = "this route is never reached: routes[0] takes all its requests"
OTHERS = f"{NEVER}, and may let in other callers"


def two(first: str, second: str, host: str = "https://a.example.com", other: str = "") -> str:
    """Two routes, the first at ``host``, the second at ``other`` or there too."""
    written = zip((host, other or host), (first, second), ("http://x", "http://y"), strict=True)
    lines = [f"  - {{from: '{at}', to: '{to}', {PUBLIC}{rule and ', '}{rule}}}\n" for at, rule, to in written]
    return "routes:\n" + "".join(lines)


def told(warnings: Problems, text: str) -> bool:
    return any(each.endswith(NEVER) for each in warnings(text))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", "prefix: /admin"),
        ("", "path: /admin/x"),
        ("", "regex: '/x[0-9]+'"),
        ("prefix: /", "regex: '/x[0-9]+'"),
        ("prefix: /a", "prefix: /admin"),
        ("prefix: /a", "prefix: /a"),
        ("prefix: /admin", "path: /admin/x"),
        ("prefix: /admin", "path: /administrator"),
        ("path: /a", "path: /a"),
        ("regex: /a.*", "regex: /a.*"),
        ("", "prefix: /admin, path: /b"),
        ("path: /b, prefix: /admin", "path: /b"),
    ],
)
def test_a_route_behind_a_wider_one_is_told(warnings: Problems, first: str, second: str) -> None:
    assert told(warnings, two(first, second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("prefix: /admin", ""),
        ("prefix: /admin", "prefix: /a"),
        ("prefix: /admin", "prefix: /Admin"),
        ("prefix: /admin/", "path: /admin"),
        ("path: /a", "prefix: /a"),
        ("path: /a", "path: /a/b"),
        ("path: /a", "regex: /a"),
        ("prefix: /a", "regex: '/a.*'"),
        ("regex: '/.*'", "prefix: /a"),
        ("regex: /a, prefix: /", "prefix: /a"),
        ("path: /b, prefix: /a", "prefix: /a/c"),
    ],
)
def test_a_route_that_may_be_reached_is_not(warnings: Problems, first: str, second: str) -> None:
    assert not told(warnings, two(first, second))


@pytest.mark.parametrize(
    ("host", "other", "shadowed"),
    [
        ("a.b", "A.b", True),
        ("a.b", "a.b:443", True),
        ("a.b", "a.b:8443", False),  # a host with a port belongs to its own routes
        ("a.b:8443", "a.b", False),
        ("a.b", "c.b", False),
        ("*.b", "a.b", False),  # so does one without a star
        ("a.b", "*.b", False),
        ("*.b", "*.b", True),
        ("*.b", "*.a.b", True),
        ("*.b", "x*y.a.b", True),
        ("a*", "a*.b", True),
        ("**.b", "*.b", True),
        ("*.b", "**.b", True),
        ("**.b", "a**.b", True),
        ("*.*.b", "*.*.b", True),
        ("*.a.b", "*.b", False),
        ("a*a", "a*", False),
        ("*.b", "*.b:8443", True),
        ("*.b:8443", "*.b", False),
        ("*.b:8443", "*.b:9443", False),
    ],
)
def test_hosts_are_compared_as_requests_are(
    warnings: Problems, host: str, other: str, shadowed: bool
) -> None:
    text = two("", "prefix: /x", f"https://{host}", f"https://{other}")
    assert told(warnings, text) is shadowed


def test_without_any_port_a_star_is_at_443_alone(warnings: Problems) -> None:
    flag = "runtime_flags: {match_any_incoming_port: false}\n"
    assert not told(warnings, flag + two("", "prefix: /x", "https://*.b", "https://*.b:8443"))
    assert told(warnings, flag + two("", "prefix: /x", "https://*.b", "http://*.b:443"))


def test_the_first_that_takes_all_is_named_and_what_to_do(loaded: Load) -> None:
    lines = two("prefix: /a", "prefix: /admin").removeprefix("routes:\n")
    text = f"policy:\n  - {{from: 'https://a.example.com', to: 'http://z', {PUBLIC}}}\nroutes:\n{lines}"
    found = loaded(text).warnings
    assert [each.message for each in found] == [NEVER.replace("routes", "policy")] * 2
    assert {each.hint for each in found} == {"put it before policy[0]"}
    (twin,) = loaded(two("prefix: /a", "prefix: /a")).warnings
    assert twin.hint == "remove one of the two"


def test_who_is_let_in_makes_it_an_error_where_policies_are_strict(
    problems: Problems, warnings: Problems
) -> None:
    text = two("", "prefix: /admin").replace(f"'http://y', {PUBLIC}", "'http://y', allowed_users: [x]")
    (warning,) = [each for each in warnings(text) if "never reached" in each]
    assert warning.endswith(OTHERS)
    assert [each.endswith(OTHERS) for each in problems("strict_policy: true\n" + text)] == [True]
    policy = "policy: [{allow: {or: [{domain: {is: b.c}}]}}]"
    text = two("", "prefix: /admin").replace(PUBLIC, policy)
    other = text.replace("b.c", "d.e", 1)
    assert [each.endswith(OTHERS) for each in problems("strict_policy: true\n" + other)] == [True]
    assert told(warnings, "strict_policy: true\n" + text), "the same callers are let in: a warning"


def test_nothing_is_said_of_a_route_whose_rule_is_broken(problems: Problems) -> None:
    def written(rule: str) -> str:
        text = two(rule, "prefix: /a").replace(f"'http://y', {PUBLIC}", "'http://y', allowed_users: [x]")
        return f"strict_policy: true\n{text}"

    assert "never reached" in problems(written("prefix: /"))[0]
    (only,) = problems(written("regex: '('"))
    assert "regex" in only


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PUBLIC, f"{PUBLIC}, cors_allow_preflight: true"),
        (PUBLIC, "policy: [{allow: {or: [{accept: true}]}}]"),
        (PUBLIC, f"{PUBLIC}, policy: []"),
        (
            f"{PUBLIC}, policy: [{{deny: {{or: [{{email: x}}]}}}}]",
            "policy: [{allow: {or: [{accept: 0}]}}, {deny: {or: [{email: {is: x}}]}}]",
        ),
        ("allowed_domains: [a.b]", "allowed_domains: [A.B]"),
        ("allowed_domains: [a.b, c.d]", "allowed_domains: [c.d, a.b, a.b]"),
        ("allowed_idp_claims: {groups: [a, b]}", "allowed_idp_claims: {groups: [b, a]}"),
        ("allowed_idp_claims: {groups: [a]}", "policy: [{allow: {or: [{claim/groups: a}]}}]"),
        ("policy: p", "policy: {file: p.ppl}"),
        ("policy: p", "policy: {allow: {or: [{email: {is: a@b.c}}]}}"),
        ("allowed_users: [a@b.c]", "policy: [{allow: {or: [{email: {is: a@b.c}}]}}]"),
        ("policy: {allow: {and: [{user: x}]}}", "policy: [{allow: {or: [{user: {is: x}}]}}]"),
        ("allow_any_authenticated_user: true", "policy: {allow: {or: [{authenticated_user: true}]}}"),
    ],
)
def test_the_same_callers_are_the_same_however_they_are_written(
    loaded: Load, tmp_path: Path, first: str, second: str
) -> None:
    (found,) = never(loaded, tmp_path, first, second)
    assert found == NEVER


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{PUBLIC}, policy: [{{deny: {{or: [{{email: x}}]}}}}]", PUBLIC),
        (f"{PUBLIC}, policy: p", f"{PUBLIC}, policy: [{{deny: {{or: [{{email: x}}]}}}}]"),
        (PUBLIC, "policy: p"),
        ("policy: p", "policy: q"),
        ("allowed_domains: [a.b]", "allowed_domains: [a.b, c.d]"),
        ("allowed_idp_claims: {a: [x]}", "allowed_idp_claims: {b: [x]}"),
        ("allowed_users: [x]", "policy: [{allow: {or: [{email: {is: x}}]}}]"),
        ("policy: {allow: {and: [{user: x}, {email: y}]}}", "policy: {allow: {or: [{user: x}, {email: y}]}}"),
        ("policy: {allow: {not: [{user: x}]}}", "policy: {allow: {or: [{user: x}]}}"),
    ],
)
def test_other_callers_are_told(problems: Problems, tmp_path: Path, first: str, second: str) -> None:
    write_policies(tmp_path)
    (found,) = [each for each in problems(strict(first, second)) if "never reached" in each]
    assert found.endswith(OTHERS)


def test_domains_are_compared_with_case_where_policies_are(loaded: Load, tmp_path: Path) -> None:
    write_policies(tmp_path)
    text = strict("allowed_domains: [a.b]", "allowed_domains: [A.B]").replace("true", "false", 1)
    assert OTHERS in [each.message for each in loaded(text).warnings]


@pytest.mark.parametrize("second", ["policy: r", "policy: {allow: {or: 5}}"])
def test_nothing_is_said_of_callers_where_a_policy_cannot_be_read(
    loaded: Load, tmp_path: Path, second: str
) -> None:
    assert never(loaded, tmp_path, PUBLIC, second) == [NEVER]


@pytest.mark.parametrize("bad", ["policy: 5", "allowed_users: {}", f"{PUBLIC[:-4]}maybe"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_bad_value_of_who_is_let_in_has_one_message(
    problems: Problems, tmp_path: Path, bad: str, turned: bool
) -> None:
    write_policies(tmp_path)
    both = ("policy: {allow: {or: [{accept: true}]}}", bad)
    (only,) = problems(strict(*(both[::-1] if turned else both)))
    assert "never reached" not in only


def test_a_bad_flag_has_one_message(problems: Problems) -> None:
    lines = two("", "", "https://*.b", "https://*.b:8443").replace(f"'http://y', {PUBLIC}", "'http://y'")
    head = "strict_policy: true\nruntime_flags: {match_any_incoming_port: maybe}\n"
    (only,) = problems(head + lines)
    assert "match_any_incoming_port" in only


def test_a_bad_rule_makes_no_twins(problems: Problems) -> None:
    (only,) = problems(two("", "prefix: [x]").replace("http://y", "http://x"))
    assert "prefix" in only


@pytest.mark.parametrize(
    ("first", "second", "host", "other"),
    [
        ("", "regex: .*", "a.b", "a.b"),
        ("prefix: /", "regex: /.*", "a.b", "a.b"),
        ("", "", "*.b", "**.b"),
        ("", "", "**.b", "*.b"),
    ],
)
def test_no_advice_only_turns_the_tables(
    loaded: Load, first: str, second: str, host: str, other: str
) -> None:
    found = loaded(two(first, second, f"https://{host}", f"https://{other}")).warnings
    assert [each.hint for each in found if "never reached" in each.message] == ["remove one of the two"]


def strict(first: str, second: str) -> str:
    lines = two("", "prefix: /admin").replace(f"'http://x', {PUBLIC}", f"'http://x', {first}")
    lines = lines.replace(f"'http://y', {PUBLIC}", f"'http://y', {second}")
    return f"strict_policy: true\npolicy_files: [p.ppl, q.ppl]\n{lines}"


def write_policies(folder: Path) -> None:
    for name, email in (("p", "a@b.c"), ("q", "q@b.c")):
        text = f'policy "{name}" {{ allow or {{ email is "{email}" }} }}'
        (folder / f"{name}.ppl").write_text(text, "utf-8")


def never(loaded: Load, folder: Path, first: str, second: str) -> list[str]:
    """What is told of the second route, and is a warning: an error is raised."""
    write_policies(folder)
    found = loaded(strict(first, second)).warnings
    return [each.message for each in found if "never reached" in each.message]


def test_long_prefixes_cost_what_they_are_long() -> None:
    class Counted(str):
        __slots__ = ()
        cut = 0

        def __getitem__(self, part: SupportsIndex | slice) -> str:
            Counted.cut += 1
            return super().__getitem__(part)

    paths = _Paths()
    for number, length in enumerate((10_000, 20_000)):
        route = RouteSettings.model_construct(prefix="/" + "a" * length)
        paths.add(_Place(number, ("routes", number), route, CallersOf(Settings())))
    found = paths.taking(RouteSettings.model_construct(prefix=Counted("/" + "a" * 30_000)))
    assert found is not None
    assert found.rank == 0
    assert Counted.cut == 2, "one for each length that a prefix has"


def test_one_fault_has_one_message(problems: Problems) -> None:
    text = two("", "").replace("http://y", "http://x")
    assert [each.split(": ")[1] for each in problems(text)] == ["this route is the same as routes[0]"]


@pytest.mark.parametrize("host", ["a.example.com", "*.example.com", "{}.example.com", "*.{}.example.com"])
def test_the_cost_grows_with_the_number_of_routes_and_no_faster(loaded: Load, host: str) -> None:
    def calls(number: int) -> int:
        routes = "".join(
            f"- {{from: 'https://{host.format(n)}', to: 'http://x', prefix: /{n}/, {PUBLIC}}}\n"
            for n in range(number, 2 * number)
        )
        settings = loaded("routes:\n" + routes).settings
        counted = 0

        def count(_frame: FrameType, _event: str, _arg: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            assert list(findings(settings)) == []
        finally:
            sys.setprofile(None)
        return counted

    assert calls(800) < 9 * calls(100), "64 times as many where pairs of routes were compared"
