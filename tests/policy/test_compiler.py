from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from zope.interface.verify import verifyObject

from policy_grammar import OPERATORS, Criterion, Operator, Policy, Rule, parse_text, to_text
from pomerium_tw.model import ANONYMOUS, Identity, Request
from pomerium_tw.policy import BUILT_IN, INPUTS, NOT_BUILT, ICriterion, PolicyError, compile_policy

from . import oracle
from .situations import compiled, criteria, identities, identity, random_policies, request, requests

SITUATION = (request(), ANONYMOUS)


@settings(max_examples=300, deadline=None)
@given(random_policies, requests, identities)
def test_the_compiled_policy_equals_the_naive_reading_of_the_language(
    policies: list[Policy], asked: Request, caller: Identity
) -> None:
    found = compile_policy(policies).evaluate(asked, caller)
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
    assert compile_policy(again).evaluate(asked, caller) == compile_policy(named).evaluate(asked, caller)


@settings(deadline=None)
@given(criteria, requests, requests, identities)
def test_the_outcome_depends_on_nothing_that_is_not_read(
    criterion: Criterion, one: Request, other: Request, caller: Identity
) -> None:
    policy = compile_policy([Policy("", (Rule("allow", (Operator("or", (criterion,)),)),))])
    kept = {"method": "method", "path": "target", "headers": "head"}
    mixed = one._replace(
        **{field: getattr(other, field) for name, field in kept.items() if name not in policy.reads}
    )
    who = caller if "identity" in policy.reads else ANONYMOUS
    assert policy.evaluate(mixed, who) is policy.evaluate(one, caller)


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


@pytest.mark.parametrize("name", sorted(NOT_BUILT))
def test_a_known_criterion_that_is_not_built_stops_the_policy_from_loading(name: str) -> None:
    with pytest.raises(PolicyError, match=f"not built yet: {name}"):
        compiled(f"deny or {{ {name} }}")


def test_a_criterion_of_the_mapping_comes_before_the_list_of_unbuilt_ones() -> None:
    given = {"groups": BUILT_IN["accept"]}
    assert (
        compile_policy(parse_text("policy { allow or { groups } }", "t.ppl"), given)
        .evaluate(*SITUATION)
        .allow
    )


def test_built_in_criteria_fulfil_the_interface_of_plugins() -> None:
    for name, criterion in BUILT_IN.items():
        assert verifyObject(ICriterion, criterion)
        assert criterion.name == name
        assert criterion.reads <= INPUTS
    assert not set(BUILT_IN) & NOT_BUILT


def test_thousands_of_users_cost_one_look_up() -> None:
    policy = compiled("allow or {" + "\n".join(f'user "u{number}"' for number in range(5000)) + "}")
    assert policy.evaluate(request(), identity("u4999")).allow
    assert not policy.evaluate(request(), identity("u5000")).allow
    assert len(policy.source.splitlines()) < 20


def test_constants_that_are_equal_and_of_different_types_stay_apart() -> None:
    policy = compiled("allow and { claim/x 1; claim/y true; claim/z 1.0 }")
    assert policy.evaluate(request(), identity(x=(1,), y=(True,), z=(1,))).allow
    assert not policy.evaluate(request(), identity(x=(1,), y=(1,), z=(1,))).allow
