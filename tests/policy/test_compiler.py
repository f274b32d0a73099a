from __future__ import annotations

import gc
import sys
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from zope.interface.verify import verifyObject

from policy_grammar import (
    OPERATORS,
    Criterion,
    Operator,
    Policy,
    Rule,
    parse_data,
    parse_text,
    to_data,
    to_text,
)
from pomerium_tw.model import ANONYMOUS, Device, Identity, MCPCall, Peer, Request
from pomerium_tw.policy import BUILT_IN, INPUTS, ICriterion, PolicyError, compile_policy, generate, surprises

from . import oracle
from .situations import WORLD, compiled, identities, identity, random_policies, request, requests

SITUATION = (request(), ANONYMOUS)


@settings(max_examples=300, deadline=None)
@given(random_policies, requests, identities)
def test_the_compiled_policy_equals_the_naive_reading_of_the_language(
    policies: list[Policy], asked: Request, caller: Identity
) -> None:
    found = compile_policy(policies, environment=WORLD).evaluate(asked, caller)
    expected = oracle.evaluate(policies, asked, caller)
    assert (found.allow, found.allow_reasons) == expected["allow"]
    assert (found.deny, found.deny_reasons) == expected["deny"]


@settings(deadline=None)
@given(random_policies, requests, identities)
def test_text_and_data_of_one_tree_decide_alike(
    policies: list[Policy], asked: Request, caller: Identity
) -> None:
    named = [Policy(str(number), policy.rules) for number, policy in enumerate(policies)]
    again = parse_text(to_text(*named), "t.ppl")
    written = parse_data(to_data(Policy("", tuple(rule for policy in policies for rule in policy.rules))))
    expected = compile_policy(named, environment=WORLD).evaluate(asked, caller)
    assert compile_policy(again, environment=WORLD).evaluate(asked, caller) == expected
    assert compile_policy([written], environment=WORLD).evaluate(asked, caller) == expected


@settings(deadline=None)
@given(random_policies, requests, requests, identities)
def test_an_outcome_stands_while_what_it_depends_on_does(
    policies: list[Policy], one: Request, other: Request, caller: Identity
) -> None:
    policy = compile_policy(policies, environment=WORLD)
    kept = {
        "method": "method",
        "path": "target",
        "headers": "head",
        "address": "peer",
        "certificate": "certificate",
        "mcp": "mcp",
        "ssh": "ssh",
    }
    mixed = one._replace(
        **{field: getattr(other, field) for name, field in kept.items() if name not in policy.reads}
    )
    who = caller if "identity" in policy.reads else ANONYMOUS
    assert policy.evaluate(mixed, who) is policy.evaluate(one, caller)
    inputs = policy.inputs(one, caller)
    assert inputs == policy.inputs(mixed, who)
    assert (inputs is None) is bool(policy.reads & {"time", "records"})


def test_a_change_of_anything_read_changes_what_an_outcome_depends_on() -> None:
    policy = compiled('allow or { http_path "/"; email "a@b"; source_ip "10.0.0.1" }')
    who = identity(email="a@b")
    inputs = policy.inputs(request(), who)
    assert inputs == policy.inputs(request(method="PUT"), who)
    assert inputs != policy.inputs(request(path="/x"), who)
    assert inputs != policy.inputs(request(), identity(email="a@b"))
    assert inputs != policy.inputs(request()._replace(peer=Peer("10.0.0.2", 4000)), who)


@pytest.mark.parametrize("rule", ['date after "2026-01-01"', 'record { type "t", exists true }'])
def test_what_changes_by_itself_is_never_used_again(rule: str) -> None:
    assert compiled(f"allow or {{ {rule} }}").inputs(request(), ANONYMOUS) is None


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_truth_tables(kind: str, size: int) -> None:
    table = {
        "and": all,
        "or": any,
        "not": lambda values: not any(values),
        "nor": lambda values: not all(values),
    }
    for values in product([True, False], repeat=size):
        members = tuple(Criterion("accept" if value else "reject") for value in values)
        found = compile_policy([Policy("", (Rule("allow", (Operator(kind, members),)),))]).evaluate(
            *SITUATION
        )
        assert found.allow is table[kind](values), values


def test_no_rules_are_false_without_reasons() -> None:
    found = compile_policy([]).evaluate(*SITUATION)
    assert (found.allow, found.allow_reasons, found.deny, found.deny_reasons) == (
        False,
        frozenset(),
        False,
        frozenset(),
    )


def test_policies_rules_and_operators_are_ored() -> None:
    refusing = parse_text('policy "a" { allow and { reject } }', "t.ppl")
    accepting = parse_text('policy "b" { allow { and { reject }\n or { accept } } }', "t.ppl")
    found = compile_policy([*refusing, *accepting]).evaluate(*SITUATION)
    assert (found.allow, found.allow_reasons) == (True, {"accept"})


def test_deny_stands_beside_allow() -> None:
    found = compiled("allow or { accept }; deny or { accept }").evaluate(*SITUATION)
    assert (found.allow, found.deny) == (True, True)


def test_reasons_of_true_criteria_after_the_first_are_not_hidden() -> None:
    found = compiled('allow or { accept; http_method "GET"; reject }').evaluate(*SITUATION)
    assert found.allow_reasons == {"accept", "http-method-ok"}


def test_equal_outcomes_are_one_object() -> None:
    policy = compiled('allow or { domain "a.com"; domain "b.com" }')
    first = policy.evaluate(request(), identity(email="x@a.com"))
    assert policy.evaluate(request(path="/other"), identity(email="y@b.com")) is first


def test_a_policy_reads_what_its_criteria_read() -> None:
    assert compiled("allow or { accept }").reads == frozenset()
    assert compiled('allow or { http_path "/"; claim/x "a" }').reads == {"path", "identity"}
    assert compiled("deny or { cors_preflight }").reads == {"method", "headers"}


def test_operands_never_enter_the_generated_source() -> None:
    evil = '"); import os; os.system(\\"x\\") #'
    policy = compiled(
        f'allow or {{ email is "{evil[1:-3]}"; claim/__import__ "evil"; http_path contains "evil" }}'
    )
    for word in ("evil", "import", "system"):
        assert word not in policy.source
    assert policy.evaluate(*SITUATION).allow is False


def test_an_unknown_criterion_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(PolicyError) as caught:
        compiled('allow or { domian "a.com" }')
    assert str(caught.value).startswith("t.ppl:1:21: unknown policy criterion: domian")
    assert "domain" in caught.value.hint


def test_built_in_criteria_fulfil_the_interface_of_plugins() -> None:
    for name, criterion in BUILT_IN.items():
        assert verifyObject(ICriterion, criterion)
        assert criterion.name == name
        assert criterion.reads <= INPUTS


def test_thousands_of_users_cost_one_look_up() -> None:
    policy = compiled("allow or {" + "\n".join(f'user "u{number}"' for number in range(5000)) + "}")
    assert policy.evaluate(request(), identity("u4999")).allow
    assert not policy.evaluate(request(), identity("u5000")).allow
    assert len(policy.source.splitlines()) < 20


@pytest.mark.parametrize("kind", OPERATORS)
def test_thousands_of_criteria_with_several_answers_each_are_one_function(kind: str) -> None:
    tools = "\n".join(f'mcp_tool "t{number}"' for number in range(4000))
    policies = parse_text(f"policy {{ deny {kind} {{ {tools} }} }}", "t.ppl")
    for tool in ("t0", "t3999", "t4000"):
        asked = request()._replace(mcp=MCPCall(1, "tools/call", tool))
        found = compile_policy(policies).evaluate(asked, ANONYMOUS)
        assert (found.deny, found.deny_reasons) == oracle.evaluate(policies, asked, ANONYMOUS)["deny"]


def test_more_reasons_than_a_decimal_number_has_room_for() -> None:
    devices = "\n".join(f'device {{ type "t{number}" }}' for number in range(2200))
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)  # the least that Python allows: 2,100 bits
    try:
        policy = compiled(f"allow or {{ {devices} }}")
    finally:
        sys.set_int_max_str_digits(digits)
    who = replace(identity("u"), devices={"t2199": Device("d", enrolled=True)})
    found = policy.evaluate(request(), who)
    assert (found.allow, dict(found.allow_data)) == (True, {"device_type": "t2199"})
    assert not policy.evaluate(request(), identity("u")).allow


@pytest.mark.parametrize("error", [RecursionError, MemoryError, SyntaxError, ValueError])
def test_a_policy_that_python_cannot_compile_is_an_error_with_its_place(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise error("too much")

    policies = parse_text('\n  policy "large" { allow or { user "a" } }', "t.ppl")
    monkeypatch.setattr(generate, "compile", refuse, raising=False)
    for use in (compile_policy, lambda policies: list(surprises(policies))):
        with pytest.raises(PolicyError, match=r"cannot compile so large a policy: .*too much") as caught:
            use(policies)
        assert caught.value.span.line == 2


def test_constants_that_are_equal_and_of_different_types_stay_apart() -> None:
    policy = compiled("allow and { claim/x 1; claim/y true; claim/z 1.0 }")
    assert policy.evaluate(request(), identity(x=(1,), y=(True,), z=(1,))).allow
    assert not policy.evaluate(request(), identity(x=(1,), y=(1,), z=(1,))).allow


def test_conditions_stand_in_brackets_whatever_they_stand_beside() -> None:
    late = 'time_of_day { timezone "UTC"; after "22:00"; before "06:00" }'
    later = 'time_of_day { timezone "UTC"; after "23:00"; before "05:00" }'
    for rules in (f"deny nor {{ {late}\n {later} }}", f"deny not {{ {late} }}; deny not {{ {later} }}"):
        policy = compile_policy(parse_text(f"policy {{ {rules} }}", "t.ppl"), environment=WORLD)
        assert policy.evaluate(*SITUATION).deny, "it is half past ten: the second does not hold"


def test_an_evaluation_leaves_nothing_behind() -> None:
    policy = compiled('allow or { domain "a.com"; claim/x "y" }; deny and { http_path "/x"; user "u" }')
    who = identity(email="x@a.com")
    policy.evaluate(request(), who)
    asked = request()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        policy.evaluate(asked, who)
    assert sys.getallocatedblocks() - before < 50
