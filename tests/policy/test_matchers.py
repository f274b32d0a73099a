from __future__ import annotations

import pytest

from pomerium_tw.model import ANONYMOUS
from pomerium_tw.policy import PolicyError

from .situations import compiled, identity, request


def matches(criterion: str, email: str = "a@b.com") -> bool:
    return compiled(f"allow or {{ {criterion} }}").evaluate(request(), identity(email=email)).allow


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ('"a@b.com"', True),
        ('"A@b.com"', False),
        ('is "a@b.com"', True),
        ('is "a"', False),
        ('not "a"', True),
        ('not "a@b.com"', False),
        ('contains "@b"', True),
        ('contains "*"', False),
        ('starts_with "a@"', True),
        ('starts_with "b"', False),
        ('ends_with ".com"', True),
        ('ends_with ".org"', False),
        ('in ["x", "a@b.com"]', True),
        ("in []", False),
        ('not_in ["x"]', True),
        ('not_in ["a@b.com"]', False),
        ("not_in []", True),
        ('{ starts_with "a", ends_with ".org" }', False),
        ('{ is "a@b.com", in ["a@b.com"] }', True),
    ],
)
def test_string_operators(operators: str, expected: bool) -> None:
    assert matches(f"email {operators}") is expected


@pytest.mark.parametrize(
    "operator", ['not "x"', 'not_in ["x"]', 'contains ""', 'starts_with ""', 'ends_with ""']
)
def test_no_operator_matches_an_undefined_text(operator: str) -> None:
    assert not matches(f"domain {operator}", email="nobody")
    assert not compiled(f"allow or {{ user {operator} }}").evaluate(request(), ANONYMOUS).allow


def test_an_anonymous_e_mail_is_the_empty_text_and_defined() -> None:
    assert compiled('allow or { email not "x" }').evaluate(request(), ANONYMOUS).allow_reasons == {"email-ok"}


@pytest.mark.parametrize(
    ("operators", "values", "expected"),
    [
        ('"a"', ("a", "b"), True),
        ('has "c"', ("a", "b"), False),
        ('is "a"', ("a",), True),
        ('is "a"', ("a", "a"), False),
        ('is "a"', (), False),
        ('exclude "c"', ("a",), True),
        ('exclude "a"', ("a", "b"), False),
        ('exclude "a"', (), True),
        ('{ has "a", exclude "b" }', ("a", "b"), False),
        ("5", (5,), True),
        ("5", (5.0,), True),
        ("5", ("5",), False),
        ('"5"', (5,), False),
        ("1", (True,), False),
        ("true", (1,), False),
        ("true", (True,), True),
        ("false", (0, ""), False),
        ('"true"', (True,), False),
        ("exclude 1", (True,), True),
        ("exclude true", (True, 1), False),
    ],
)
def test_list_operators_compare_by_type_and_value(
    operators: str, values: tuple[object, ...], expected: bool
) -> None:
    found = compiled(f"allow or {{ claim/x {operators} }}").evaluate(request(), identity(x=values))
    assert found.allow is expected


@pytest.mark.parametrize(
    ("criterion", "message", "column"),
    [
        ("email 5", "is of email requires a string", 27),
        ("email is null", "is of email requires a string", 30),
        ('email ["a"]', "is of email requires a string", 27),
        ("email starts_with 5", "starts_with of email requires a string", 39),
        ("email has 5", "unknown string matcher operator: has", 31),
        ('email { is "a", regex "b" }', "unknown string matcher operator: regex", 43),
        ('email in "a"', "in matcher requires an array of strings", 30),
        ('email not_in ["a", 5]', "not_in matcher requires an array of strings", 40),
        ("email {}", "email without an operator would match everybody", 27),
        ("claim/x {}", "claim/x without an operator would match everybody", 29),
        ('claim/x contains "a"', "unknown string list matcher operator: contains", 38),
        ('claim/x ["a"]', "has of claim/x requires a string, a number or a boolean", 29),
        ("claim/x exclude null", "exclude of claim/x requires a string, a number or a boolean", 37),
        ('claim "a"', "claim names no claim", 21),
    ],
)
def test_wrong_data_is_an_error_at_load_at_its_place(criterion: str, message: str, column: int) -> None:
    with pytest.raises(PolicyError) as caught:
        compiled(f"allow or {{ {criterion} }}")
    assert caught.value.message == message
    assert caught.value.span.column == column
