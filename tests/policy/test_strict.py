"""spec/threats PO-03, PO-05 and PO-06: addresses, domains and letters that look alike."""

from __future__ import annotations

import pytest

from policy_grammar import parse_text
from pomerium_tw.model import ANONYMOUS, Identity
from pomerium_tw.policy import BUILT_IN, STRICT, PolicyError, compile_policy

from .situations import identity, request


def allowed(rule: str, who: Identity, *, strict: bool = False) -> bool:
    policies = parse_text(f"policy {{ allow or {{ {rule} }} }}", "t.ppl")
    criteria = {**BUILT_IN, **STRICT} if strict else BUILT_IN
    return compile_policy(policies, criteria).evaluate(request(), who).allow


@pytest.mark.parametrize(
    ("email", "admitted"),
    [
        ("a@good.com", True),
        ("a@GOOD.com", True),
        ("a@evil@good.com", False),
        ("a@good.com@evil", False),
        ('"a@evil"@good.com', False),
        ("a@good.com.", False),
        ("a@sub.good.com", False),
        ("a@evilgood.com", False),
        ("good.com", False),
        ("", False),
    ],
)
def test_strict_domains_are_whole_and_stand_behind_the_only_at_sign(email: str, admitted: bool) -> None:
    assert allowed('domain "good.com"', identity(email=email), strict=True) is admitted


def test_by_default_a_domain_is_what_pomerium_takes_it_for() -> None:
    assert allowed('domain "good.com"', identity(email="a@good.com@evil"))
    assert not allowed('domain "good.com"', identity(email="a@GOOD.com"))


@pytest.mark.parametrize(
    ("verified", "admitted"), [((True,), True), (("true",), True), ((False,), False), (("false",), False)]
)
def test_strictly_an_unverified_address_is_none(verified: tuple[object, ...], admitted: bool) -> None:
    who = identity(email="a@good.com", email_verified=verified)
    for rule in ('domain "good.com"', 'email "a@good.com"', 'email not "b@good.com"'):
        assert allowed(rule, who, strict=True) is admitted
        assert allowed(rule, who)


@pytest.mark.parametrize(
    ("rule", "email", "admitted"),
    [
        ('email "admin@x.com"', "ＡＤＭＩＮ@x.com", False),
        ('email "admin@x.com"', "adm\u0131n@x.com", False),
        ('email "é@x.com"', "e\u0301@x.com", True),
        ('email "e\u0301@x.com"', "é@x.com", True),
        ('domain "good.com"', "a@g\u043e\u043ed.com", False),
        ('domain "bücher.example"', "a@xn--bcher-kva.example", True),
        ('domain "xn--bcher-kva.example"', "a@bücher.example", True),
        ('domain "bücher.example"', "a@bucher.example", False),
        ('claim/name "é"', "", False),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_letters_that_look_alike_differ_and_forms_of_one_letter_do_not(
    rule: str, email: str, admitted: bool, strict: bool
) -> None:
    assert allowed(rule, identity(email=email), strict=strict) is admitted


def test_claims_are_compared_in_normal_form() -> None:
    assert allowed('claim/name "é"', identity(name=("e\u0301",)))
    assert not allowed('claim/name "e"', identity(name=("é",)))


@pytest.mark.parametrize("rule", ['claim/x "5"', "claim/x 5", "claim/x true", 'claim/x is "a"'])
def test_a_claim_that_is_missing_or_of_another_type_is_no_match(rule: str) -> None:
    for values in ((), (None,), (["5"],), (5.5,), ("a", "a")):
        assert not allowed(rule, identity(x=values))
    assert not allowed(rule, identity())


@pytest.mark.parametrize(
    ("rule", "email", "found"),
    [
        ('domain "bücher.example"', "a@Bücher.example", True),
        ('domain "Bücher.example"', "a@bücher.example", True),
        ('domain in ["x.example", "BÜCHER.example"]', "a@xn--bcher-kva.example", True),
        ('domain ends_with ".bücher.example"', "a@mail.bücher.example", True),
        ('domain ends_with ".bücher.example"', "a@my_mail.Bücher.example", True),
        ('domain ends_with ".bücher.example"', "a@☕.bücher.example", True),
        ('domain ends_with ".bücher.example"', "a@bücher.example", False),
        ('domain ends_with "l.bücher.example"', "a@mail.bücher.example", True),
        ('domain starts_with "bücher."', "a@bücher.example", True),
        ('domain contains ".bücher."', "a@mail.bücher.example", True),
        ('domain ends_with ".example"', "a@☕.example", True),
        ('domain not_in ["bücher.example"]', "a@☕.example", True),
        ('domain "xn--53h.example"', "a@☕.example", True),
        ('domain "example.com"', "a@ｅxample.com", False),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_domains_and_their_labels_are_found_in_any_spelling(
    rule: str, email: str, found: bool, strict: bool
) -> None:
    assert allowed(rule, identity(email=email), strict=strict) is found


_MARKS = "\u0301" * 31


@pytest.mark.parametrize(
    ("rule", "operand", "message"),
    [
        ("domain ends_with {}", "ücher.example", "ends_with of domain may cut"),
        ("domain starts_with {}", "büch", "starts_with of domain may cut"),
        ("domain contains {}", "bücher.", "contains of domain may cut"),
        ("domain contains {}", ".bücher", "contains of domain may cut"),
        ("domain {}", "ｅxample.com", "has no xn-- form"),
        ('domain {{ not_in ["a", {}] }}', "☕.example", "has no xn-- form"),
        ("domain ends_with {}", ".☕.example", "has no xn-- form"),
        pytest.param("claim/name {}", f"a{_MARKS}", "more than 30 combining marks", id="claim"),
        pytest.param('email {{ in ["b", {}] }}', f"a{_MARKS}", "more than 30 combining marks", id="email"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_operands_that_no_text_of_a_caller_equals_are_errors(
    rule: str, operand: str, message: str, strict: bool
) -> None:
    with pytest.raises(PolicyError, match=message) as caught:
        allowed(rule.format(f'"{operand}"'), ANONYMOUS, strict=strict)
    before = "policy { allow or { " + rule.partition("{}")[0].format()
    assert (caught.value.span.column, caught.value.hint != "") == (len(before) + 1, True)
