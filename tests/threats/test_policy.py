"""Rows PO and DO-08 of the threat table: what policies must not let through.

PO-08 and PO-09, reloading, are in tests/service/test_reload.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_twisted import ensureDeferred

from policy_grammar import OPERATORS, PolicySyntaxError, parse_data, parse_text
from pomerium_tw.config import ConfigError, load, read_policy_file
from pomerium_tw.model import ANONYMOUS, Identity
from pomerium_tw.policy import (
    BUILT_IN,
    CRITERION_ERROR,
    STRICT,
    CompiledPolicy,
    Environment,
    compile_policy,
    criterion,
    surprises,
)
from pomerium_tw.proxy import RoutePlan
from pomerium_tw.service import check
from tests.doors import guarded, on_loopback
from tests.policy.situations import identity, request

SOON = 5.0
"""Seconds that the longest nonsense may take."""


def compiled(rules: str, **given: Any) -> CompiledPolicy:
    return compile_policy(parse_text(f"policy {{\n{rules}\n}}", "p.ppl"), **given)


def allowed(rules: str, who: Identity = ANONYMOUS, **given: Any) -> bool:
    found = compiled(rules, **given).evaluate(request(), who)
    return found.allow and not found.deny


@ensureDeferred
async def test_po_01_deny_wins() -> None:
    both = 'policy "both" { allow or { accept } deny or { http_path "/x" } }'
    place, close = on_loopback((guarded("a", both),))
    statuses = []
    for path in (b"/x", b"/y"):
        caller = await place.call(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        statuses.append((await caller.answer()).status)
        caller.hang_up()
    await close()
    assert statuses == [403, 200]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("[allow: {or: [domian: a]}]", "7:27: unknown policy criterion: domian"),
        ("[alow: {or: [accept: 1]}]", "7:14: unknown action: alow"),
        ("[allow: {xor: [accept: 1]}]", "7:22: unsupported conditional: xor"),
        ("[allow: {or: [domain: {iss: a}]}]", "7:36: unknown string matcher operator: iss"),
        ("[allow: {or: [domain: 5]}]", "7:27: is of domain requires a string"),
        ("[allow: {or: {accept: 1}}]", "7:22: or holds a list of criteria, not an object"),
        (
            "5",
            "7:13: policy: a policy is a list of rules, {file: path} or the name of a policy, not",
        ),
    ],
)
def test_po_02_what_is_not_the_language_is_refused_with_its_place(
    tmp_path: Path, policy: str, said: str
) -> None:
    assert said in _problems(tmp_path, policy)


def test_po_02_an_empty_policy_lets_nobody_in_and_is_refused_strictly(tmp_path: Path) -> None:
    assert not compile_policy([parse_data([])]).evaluate(request(), identity("u1")).allow
    assert _problems(tmp_path, "[]") == ""
    assert "the policy holds no rule" in _problems(tmp_path, "[]", "strict_policy: true")


def _problems(folder: Path, policy: str, more: str = "log_level: info") -> str:
    file = folder / "c.yaml"
    file.write_text(
        f"insecure_server: true\n{more}\nstate_dir: {folder}\nroutes:\n"
        f"  - from: https://a.example.com\n    to: http://a\n    policy: {policy}\n",
        "utf-8",
    )
    try:
        return "\n".join(str(each) for each in check(load(file, {})).problems)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize(
    ("email", "admitted"),
    [
        ("a@evil@good.com", False),
        ("a@good.com.", False),
        ('"a@evil"@good.com', False),
        ("a@GOOD.com", True),
        ("", False),
    ],
)
def test_po_03_strictly_only_the_whole_domain_behind_the_only_at_sign_counts(
    email: str, admitted: bool
) -> None:
    who = identity(email=email)
    assert allowed('allow or { domain "good.com" }', who, criteria={**BUILT_IN, **STRICT}) is admitted
    unverified = identity(email="a@good.com", email_verified=(False,))
    assert not allowed('allow or { domain "good.com" }', unverified, criteria={**BUILT_IN, **STRICT})


@pytest.mark.parametrize("size", range(1, 6))
@pytest.mark.parametrize("kind", OPERATORS)
def test_po_04_every_row_of_the_truth_tables(kind: str, size: int) -> None:
    meanings: dict[str, Callable[[tuple[bool, ...]], bool]] = {
        "and": all,
        "or": any,
        "not": lambda values: not any(values),
        "nor": lambda values: not all(values),
    }
    for values in product((True, False), repeat=size):
        criteria = [{"accept" if value else "reject": True} for value in values]
        found = compile_policy([parse_data({"allow": {kind: criteria}})]).evaluate(request(), ANONYMOUS)
        assert found.allow is meanings[kind](values)


@pytest.mark.parametrize("kind", OPERATORS)
def test_po_04_an_empty_operator_says_nothing(kind: str) -> None:
    found = compile_policy([parse_data({"allow": {kind: []}, "deny": {kind: []}})])
    said = found.evaluate(request(), ANONYMOUS)
    assert (said.allow, said.allow_reasons, said.deny) == (False, frozenset(), False)


@pytest.mark.parametrize("rules", ['allow not { claim/x "y" }', 'allow or { claim/x exclude "y" }'])
def test_po_05_not_over_what_is_missing_is_warned_of(rules: str) -> None:
    assert len(list(surprises(parse_text(f"policy {{ {rules} }}", "p.ppl")))) == 1


@pytest.mark.parametrize("values", [(), (None,), (5.0,), ("5",), (["5"],), (True,)])
def test_po_05_types_are_not_mixed_up(values: tuple[Any, ...]) -> None:
    who = identity(x=values)
    assert allowed("allow or { claim/x 5 }", who) is (values == (5.0,))
    assert allowed('allow or { claim/x "5" }', who) is (values == ("5",))
    assert allowed("allow or { claim/x true }", who) is (values == (True,))


@pytest.mark.parametrize("email", ["ＡＤＭＩＮ@x.com", "admın@x.com", "admin@х.com"])
def test_po_06_what_looks_alike_is_not_the_same(email: str) -> None:
    assert not allowed('allow or { email "admin@x.com" }', identity(email=email))
    assert not allowed(
        'allow and { email ends_with "@x.com"; email starts_with "admin" }', identity(email=email)
    )


@ensureDeferred
async def test_po_07_a_deny_by_user_on_a_public_route_starts_a_sign_in() -> None:
    public = 'policy "public" { allow or { accept } deny or { user "banned" } }'
    place, close = on_loopback((guarded("a", public),))
    caller = await place.call(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n")
    status = (await caller.answer()).status
    caller.hang_up()
    await close()
    assert status == 302


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-29T01:59:59+01:00", True),
        ("2026-03-29T03:00:00+02:00", False),
        ("2026-10-25T02:30:00+02:00", True),
        ("2026-10-25T02:30:00+01:00", True),
        ("2028-02-29T02:30:00+01:00", True),
        ("2026-10-25T03:00:00+01:00", False),
    ],
)
def test_po_10_times_follow_the_clock_of_their_zone(moment: str, inside: bool) -> None:
    rule = 'allow or { time_of_day { timezone "Europe/Berlin", after "01:00", before "03:00" } }'
    now = datetime.fromisoformat(moment).astimezone(ZoneInfo("UTC")).timestamp()
    assert allowed(rule, environment=Environment(now=lambda: now)) is inside


@pytest.mark.parametrize("rule", ['"1.2.3.4"', '"::ffff:1.2.3.4"', '"1.2.3.0/24"', '"::ffff:1.2.3.0/120"'])
def test_po_10_a_mapped_address_is_the_address(rule: str) -> None:
    policy = compiled(f"allow or {{ source_ip {rule} }}")
    asked = request()
    assert policy.evaluate(asked._replace(peer=asked.peer._replace(address="1.2.3.4")), ANONYMOUS).allow
    assert not policy.evaluate(asked._replace(peer=asked.peer._replace(address="1.2.4.4")), ANONYMOUS).allow


@pytest.mark.parametrize(
    "network", ["fe80::1%eth0", "10.0.0.1/255.0.0.0", "010.0.0.1", "10.0.0", "::/129", ""]
)
def test_po_10_what_is_no_plain_network_is_refused(network: str) -> None:
    with pytest.raises(PolicySyntaxError, match="expected IP or CIDR range"):
        compiled(f'allow or {{ source_ip "{network}" }}')


@pytest.mark.parametrize("answer", ["yes", 1, None, RuntimeError("no")])
@pytest.mark.parametrize(
    "rules", ["allow or { accept; shaky }", "allow not { shaky }", "allow or { accept } deny or { shaky }"]
)
def test_po_11_a_criterion_that_does_not_answer_denies(rules: str, answer: Any) -> None:
    @criterion("shaky")
    def shaky(request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = compiled(rules, criteria={**BUILT_IN, "shaky": shaky}).evaluate(request(), ANONYMOUS)
    assert (found.allow, found.deny, found.deny_reasons) == (False, True, {CRITERION_ERROR})


def test_po_11_a_criterion_that_takes_its_time_denies_from_then_on() -> None:
    now = [0.0]

    @criterion("slow")
    def slow(request: Any) -> bool:
        now[0] += 0.051 if request.target.path == "/slow" else 0.0
        return True

    policy = compiled("allow or { slow }", criteria={"slow": slow}, clock=lambda: now[0])
    assert policy.evaluate(request(), ANONYMOUS).allow
    assert policy.evaluate(request(path="/slow"), ANONYMOUS).deny_reasons == {CRITERION_ERROR}
    assert policy.evaluate(request(), ANONYMOUS).deny_reasons == {CRITERION_ERROR}


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "allow: {or: []}\nallow: {or: [accept: 1]}\n",
        "!!python/object/apply:os.system ['true']",
        "allow:\n\tor: []\n",
        "allow: {or: [" + "accept: 1, " * 900_000 + "]}",
        "- " * 400_000,
    ],
    ids=["aliases", "twice", "object", "tabs", "10 MB", "depth"],
)
def test_po_12_yaml_that_is_more_than_data_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text, "utf-8")
    started = time.monotonic()
    with pytest.raises(PolicySyntaxError):
        read_policy_file(file)
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize(
    ("written", "value"), [("no", "no"), ("012", "012"), ("1_000", "1_000"), ("off", "off"), ("~", None)]
)
def test_po_12_scalars_are_what_they_look_like(tmp_path: Path, written: str, value: Any) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"allow: {{or: [claim/x: {written}]}}", "utf-8")
    (policy,) = read_policy_file(file).policies
    assert policy.rules[0].operators[0].criteria[0].data == value


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "{" * 100_000,
        "policy { allow or { claim/x " + "[" * 100_000,
        "policy { allow or { user " + '"' + "x" * 990_000,
        "policy { allow or { " + "accept; " * 120_000,
        "policy " * 140_000,
        "policy { allow or { accept } }\n" * 32_000,
    ],
    ids=["parentheses", "braces", "lists", "one long line", "many criteria", "words", "many policies"],
)
def test_po_13_nonsense_is_an_error_in_linear_time(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(PolicySyntaxError):
        parse_text(text, "p.ppl")
    assert time.monotonic() - started < 3 * SOON


def test_do_08_regular_expressions_take_linear_time() -> None:
    route = guarded("a", regex="(a+)+$").route
    matches = RoutePlan(route, None).matches  # type: ignore[arg-type]
    started = time.monotonic()
    assert not matches("a" * 40 + "b")
    assert time.monotonic() - started < 0.005
    with pytest.raises(PolicySyntaxError, match="unknown string matcher operator: regex"):
        compiled('allow or { email { regex "(a+)+$" } }')
