"""Policies as a configuration has them: what they read, what is strict, and what it costs to load many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policy_grammar import Rule
from pomerium_tw.config import load
from pomerium_tw.model import Identity, Session, User
from pomerium_tw.policy import CompiledPolicy, asks_for_session
from pomerium_tw.service.policies import Policies
from tests.policy.situations import request


def policies(folder: Path, routes: str, more: str = "") -> Policies:
    file = folder / "c.yaml"
    file.write_text(f"insecure_server: true\nstate_dir: {folder}\n{more}routes:\n{routes}", "utf-8")
    return Policies(load(file, {}))


def route(policy: str, name: str = "a") -> str:
    return f"  - from: https://{name}.example.com\n    to: http://{name}\n    policy: {policy}\n"


def only(found: Policies) -> CompiledPolicy:
    assert found.check.problems == []
    (compiled,) = found.compiled.values()
    return compiled


def caller(email: str, **claims: tuple[object, ...]) -> Identity:
    return Identity(Session("s", "u", "", 0.0, 9.0), User("u", "", email, claims))


@pytest.mark.parametrize("strict", [False, True])
def test_strict_policies_compare_addresses_strictly(tmp_path: Path, strict: bool) -> None:
    found = policies(
        tmp_path, route("[allow: {or: [domain: a.com]}]"), f"strict_policy: {str(strict).lower()}\n"
    )
    evaluate = only(found).evaluate
    assert evaluate(request(), caller("x@A.com")).allow is strict
    assert evaluate(request(), caller("x@a.com", email_verified=(False,))).allow is not strict


@pytest.mark.parametrize("strict", [False, True])
def test_records_are_those_of_the_configuration(tmp_path: Path, strict: bool) -> None:
    (tmp_path / "staff.json").write_text('[{"id": "x@a.com", "level": 5}]', "utf-8")
    more = (
        f"strict_policy: {str(strict).lower()}\n"
        "external_data:\n  - {record_type: staff, foreign_key: user.email, file: staff.json}\n"
    )
    rule = route('[allow: {or: [record: {type: staff, field: level, ">": 3}]}]')
    evaluate = only(policies(tmp_path, rule, more)).evaluate
    assert evaluate(request(), caller("x@a.com")).allow
    assert not evaluate(request(), caller("y@a.com")).allow
    unverified = caller("x@a.com", email_verified=(False,))
    assert evaluate(request(), unverified).allow is not strict, "somebody else's record"


def test_a_misspelt_name_is_told_but_not_where_its_file_has_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "p.ppl"
    file.write_text('policy "app" { allow or { accept } }', "utf-8")
    found = policies(tmp_path, route("ap"), "policy_files: [p.ppl]\n")
    assert [each.message for each in found.check.problems] == ["there is no policy called 'ap'"]
    file.write_text('policy "app" { allow or { accept }', "utf-8")
    found = policies(tmp_path, route("app"), "policy_files: [p.ppl]\n")
    assert [each.span.file for each in found.check.problems] == [str(file)]


def test_rules_that_are_written_as_a_text_are_told_so(tmp_path: Path) -> None:
    found = policies(tmp_path, route("|\n      allow:\n        or:\n          - accept: true"))
    (problem,) = found.check.problems
    assert problem.message == "the policy is a text of several lines, not rules"
    assert problem.hint == "rules stand below policy: as they are: take the | away"


def test_a_line_of_the_configuration_is_shown_unless_it_may_hold_a_secret(tmp_path: Path) -> None:
    found = policies(tmp_path, route("[allow: {or: [domian: a.com]}]"))
    assert found.check.problems[0].excerpt[0].strip() == "policy: [allow: {or: [domian: a.com]}]"
    found = policies(tmp_path, route("[allow: {or: [claim/token: {xs: 1}]}]"))
    assert found.check.problems[0].excerpt == ()


def test_routes_that_share_a_policy_share_what_it_compiles_to(tmp_path: Path) -> None:
    (tmp_path / "p.ppl").write_text('policy "app" { allow or { email not "x" } }', "utf-8")
    routes = "".join(route("app", name) for name in ("a", "b", "c"))
    found = policies(tmp_path, routes, "policy_files: [p.ppl]\n")
    assert len(set(map(id, found.compiled.values()))) == 1
    assert len(found.check.warnings) == 1


def test_routes_with_the_same_flags_and_policy_share_the_function_and_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def asks(rules: Sequence[Rule], *more: Any) -> bool:
        asked.append(rules)
        return asks_for_session(rules, *more)

    monkeypatch.setattr("pomerium_tw.service.policy_check.asks_for_session", asks)
    (tmp_path / "p.ppl").write_text('policy "app" { allow or { email "x" } }', "utf-8")
    routes = [route("app", name) + ANY for name in ("a", "b", "c")]
    routes += [route("app", "d") + "    cors_allow_preflight: true\n", route("[]", "e") + ANY]
    found = policies(tmp_path, "".join(routes), "policy_files: [p.ppl]\n")
    compiled = list(found.compiled.values())
    assert len({id(each.evaluate) for each in compiled[:3]}) == 1
    assert len({id(each.evaluate) for each in compiled}) == 3
    flags = [each.policies[0].rules[0].operators[0].criteria[0].span.line for each in compiled]
    assert flags == [8, 12, 16, 20, 24], "each route's own flag"
    assert len(asked) == 1
    assert len(idle(found)) == 3


def test_a_thousand_rules_load_in_a_second_with_all_that_is_looked_at(tmp_path: Path) -> None:
    rules = "\n".join(
        f'allow and {{ domain "d{n}.com"; user "u{n}"; claim/x exclude "c{n}" }}' for n in range(1000)
    )
    (tmp_path / "p.ppl").write_text(f'policy "app" {{\n{rules}\n}}', "utf-8")
    started = time.process_time()
    found = policies(tmp_path, route("app"), "policy_files: [p.ppl]\n")
    spent = time.process_time() - started
    assert found.check.problems == []
    assert spent < 2.5, "measured: 0.7 s; a machine that runs tests may be slow"


STAFF = "[allow: {or: [domain: b.c]}]"
PUBLIC = "    allow_public_unauthenticated_access: true\n"
ANY = "    allow_any_authenticated_user: true\n"


def idle(found: Policies) -> list[str]:
    assert found.check.problems == []
    return [each.message for each in found.check.warnings if "who is not let in already" in each.message]


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        (PUBLIC, STAFF),
        (PUBLIC, "[allow: {or: [http_path: /x]}]"),
        (PUBLIC, "[allow: {or: [domain: b.c]}, deny: {or: [http_path: /x]}]"),
        (ANY, STAFF),
        (ANY, "[allow: {and: [http_path: /x, domain: b.c]}]"),
        (ANY, "[allow: {or: [groups: {has: x}, user: u, email: x@b.c, claim/x: y]}]"),
    ],
)
def test_allow_rules_that_let_in_nobody_more_are_told(tmp_path: Path, key: str, policy: str) -> None:
    wider = key.strip().partition(":")[0]
    found = policies(tmp_path, route(policy) + key)
    assert idle(found) == [f"the allow rules let in nobody who is not let in already: {wider} is set"]
    (problem,) = policies(tmp_path, route(policy) + key, "strict_policy: true\n").check.problems
    assert (problem.message, problem.span.line) == (idle(found)[0], 7)
    assert f"remove {wider}" in problem.hint


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        (PUBLIC, "[deny: {or: [domain: b.c]}]"),
        (ANY, "[deny: {or: [domain: b.c]}]"),
        (ANY, "[allow: {or: [domain: b.c, http_path: /x]}]"),
        (ANY, "[allow: {and: [http_path: /x, http_method: GET]}]"),
        (ANY, "[{allow: {or: [domain: b.c]}}, {allow: {or: [accept: true]}}]"),
        (ANY, "[allow: {not: [http_path: /x]}]"),
        ("", STAFF),
        ("    cors_allow_preflight: true\n", STAFF),
        ("    allowed_domains: [b.c]\n", STAFF),
    ],
)
def test_rules_that_change_who_is_let_in_are_not(tmp_path: Path, key: str, policy: str) -> None:
    assert idle(policies(tmp_path, route(policy) + key)) == []


@pytest.mark.parametrize("key", [PUBLIC, ANY])
def test_claims_beside_what_lets_everybody_in_are_told(tmp_path: Path, key: str) -> None:
    written = route("[deny: {or: [http_path: /x]}]") + key + "    allowed_idp_claims: {groups: [x]}\n"
    (message,) = idle(policies(tmp_path, written))
    assert message.startswith("allowed_idp_claims lets in nobody")


def test_rules_of_a_file_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "p.ppl").write_text('policy "app" { allow or { domain "b.c" } }', "utf-8")
    assert idle(policies(tmp_path, route("app") + ANY, "policy_files: [p.ppl]\n"))
    assert idle(policies(tmp_path, route("{file: p.ppl}") + ANY))
