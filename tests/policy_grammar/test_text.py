from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_grammar import (
    MAX_DEPTH,
    MAX_TEXT,
    Criterion,
    Document,
    Include,
    Operator,
    Policy,
    PolicySyntaxError,
    Rule,
    Span,
    parse_document,
    parse_text,
)

EXAMPLE = """\
# policies/app.ppl
policy "employees" {
    allow or {
        domain is "companydomain.com"   # everybody
        user is "api-access"
        claim/groups has "engineering"
    }
    deny and {
        http_path starts_with "/admin"
        claim/groups { exclude "admins" }
    }
    deny or { invalid_client_certificate }
}
"""


def rule(text: str) -> Rule:
    (policy,) = parse_text(f"policy {{ {text} }}", "t.ppl")
    (found,) = policy.rules
    return found


def data(text: str) -> object:
    return rule(f"allow or {{ x {text} }}").operators[0].criteria[0].data


def failure(text: str) -> PolicySyntaxError:
    with pytest.raises(PolicySyntaxError) as caught:
        parse_text(text, "t.ppl")
    return caught.value


def test_the_example_of_the_manual() -> None:
    assert parse_text(EXAMPLE, "app.ppl") == (
        Policy(
            "employees",
            (
                Rule(
                    "allow",
                    (
                        Operator(
                            "or",
                            (
                                Criterion("domain", data={"is": "companydomain.com"}),
                                Criterion("user", data={"is": "api-access"}),
                                Criterion("claim", "groups", {"has": "engineering"}),
                            ),
                        ),
                    ),
                ),
                Rule(
                    "deny",
                    (
                        Operator(
                            "and",
                            (
                                Criterion("http_path", data={"starts_with": "/admin"}),
                                Criterion("claim", "groups", {"exclude": "admins"}),
                            ),
                        ),
                    ),
                ),
                Rule("deny", (Operator("or", (Criterion("invalid_client_certificate"),)),)),
            ),
        ),
    )


def test_every_node_knows_where_it_stands() -> None:
    (policy,) = parse_text(EXAMPLE, "app.ppl")
    allow, deny, _ = policy.rules
    assert policy.span == Span("app.ppl", 2, 8)
    assert allow.span == Span("app.ppl", 3, 5)
    assert allow.operators[0].span == Span("app.ppl", 3, 11)
    domain = allow.operators[0].criteria[0]
    assert domain.span == Span("app.ppl", 4, 9)
    assert domain.where() == Span("app.ppl", 4, 16)
    assert domain.where("is") == Span("app.ppl", 4, 19)
    assert deny.operators[0].criteria[1].where("exclude") == Span("app.ppl", 10, 32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('"a"', "a"),
        ("5", 5),
        ("-2.5e3", -2500.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("[]", []),
        ("{}", {}),
        ('is "a"', {"is": "a"}),
        ('in [ "a",\n  # why\n "b",\n ]', {"in": ["a", "b"]}),
        ("< 5", {"<": 5}),
        ('{ has "a"; exclude "b" }', {"has": "a", "exclude": "b"}),
        ('{\n has "a"\n exclude: "b",\n}', {"has": "a", "exclude": "b"}),
        ('{"a": 1, "b": [1, {"c": null}]}', {"a": 1, "b": [1, {"c": None}]}),
        ("{ true 1, null 2 }", {"true": 1, "null": 2}),
        ('san { ends_with ".x" }', {"san": {"ends_with": ".x"}}),
        (r'"tab\t quote\" back\\ \u00e9"', 'tab\t quote" back\\ é'),
    ],
)
def test_values(text: str, expected: object) -> None:
    assert data(text) == expected


def test_a_rule_may_hold_several_operators_or_none() -> None:
    found = rule("deny { and { a }\n or { b; c } }")
    assert [(each.kind, len(each.criteria)) for each in found.operators] == [("and", 1), ("or", 2)]
    assert rule("deny {}").operators == rule("deny or { }").operators == ()


def test_criteria_stand_on_lines_of_their_own() -> None:
    assert len(rule("allow or { a; b\n\n # c\n ; d }").operators[0].criteria) == 3
    assert "found `b`" in failure('policy { allow or { a is "x" b } }').message


def test_names_are_free_where_the_grammar_has_no_use_for_them() -> None:
    names = [
        each.key for each in rule('allow or { policy; allow; true; "odd name/x" }').operators[0].criteria
    ]
    assert names == ["policy", "allow", "true", "odd name/x"]


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    text = "\ufeff" + EXAMPLE.replace("\n", "\r\n")
    assert parse_text(text, "t.ppl") == parse_text(EXAMPLE, "t.ppl")


def test_a_text_without_policies_is_none() -> None:
    assert parse_text("", "t.ppl") == parse_text("\n# nothing\n", "t.ppl") == ()


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ('polcy "x" {}', (1, 1), "unknown declaration: polcy", "did you mean 'policy'?"),
        ("policy {\n  alow or { accept } }", (2, 3), "unknown action: alow", "did you mean 'allow'?"),
        ("policy { deny nott { accept } }", (1, 15), "unknown operator: nott", "did you mean 'not'?"),
        ("allow or { accept }", (1, 7), "expected", "rules stand inside a policy"),
        ("policy { allow or { a is b } }", (1, 26), "expected a value", "double quotes"),
        ("policy { allow or { a is 'b' } }", (1, 26), "expected a value", "double quotes"),
        ('policy { allow or { a: "b" } }', (1, 22), "found `:`", "no colon"),
        ('policy { allow or { a "b', (1, 23), "without its closing quote", "on the line where it began"),
        ('policy { allow or { a "\\q" } }', (1, 23), "escape", "JSON"),
        ("policy { allow or { a 012 } }", (1, 23), "found `012`", ""),
        ("policy { allow or { a 1e999 } }", (1, 23), "too large", ""),
        (f"policy {{ allow or {{ a {'9' * 500} }} }}", (1, 23), "too large", ""),
        ("policy { allow or { a { b 1, b 2 } } }", (1, 30), "'b' stands twice", ""),
        ("policy { allow { or { a }\nor { b } } }", (2, 1), "or stands twice", "two rules"),
        (
            'policy "x" {}\npolicy "x" {}',
            (2, 8),
            "a second policy of the name 'x'; the first stands at t.ppl:1:8",
            "",
        ),
        ("policy {\n  allow or {\n", (2, 13), "found the end of the text", ""),
        ("policy {} @", (1, 11), "found `@`", ""),
        ('inclde "a.ppl"', (1, 1), "unknown declaration: inclde", "did you mean 'include'?"),
        ('include "a.ppl" { }', (1, 1), "names a file and nothing else", "one line, without a block"),
        ('include ""', (1, 9), "an include names a file", ""),
        ('policy "a"', (1, 8), "this policy has no block", 'policy "a" { … }'),
        ("include a.ppl", (1, 9), "expected a text in", ""),
        ('include "a\\q"', (1, 9), "escape", "JSON"),
        ("policy {}\n# a\x07b", (2, 4), "a control character stands in this comment", ""),
        ("# a\rpolicy {}", (1, 4), "a control character stands in this comment", ""),
    ],
)
def test_errors_name_the_place_and_the_way_out(
    text: str, place: tuple[int, int], message: str, hint: str
) -> None:
    error = failure(text)
    assert (error.span.line, error.span.column) == place
    assert message in error.message
    assert hint in error.hint


def test_an_error_shows_its_line_with_a_caret() -> None:
    assert str(failure("policy {\n\talow or {}\n}")).splitlines()[:3] == [
        "t.ppl:2:2: unknown action: alow",
        "   alow or {}",
        "   ^",
    ]


def test_data_nested_too_deep_is_refused_and_at_the_limit_accepted() -> None:
    assert data("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert "deep" in failure(f"policy {{ allow or {{ a is {'[' * MAX_DEPTH}{']' * MAX_DEPTH} }} }}").message
    assert "brackets are open" in failure("policy { allow or { a " + "[" * 100_000).message
    assert "brackets are open" in failure("policy { allow or { a " + "{ a " * 100_000).message


def test_texts_beyond_the_limit_are_refused_before_they_are_read() -> None:
    started = time.process_time()
    assert "characters" in failure("nonsense " * (10_000_000 // 9)).message
    assert time.process_time() - started < 1
    assert "characters" not in failure("x" * MAX_TEXT).message


@pytest.mark.parametrize("unit", ["(", '"', "a ", "policy {} \n", 'x "', "# \n", "1.", "\\", ";", "é"])
def test_nonsense_up_to_the_limit_ends_in_an_error_or_a_tree(unit: str) -> None:
    text = (unit * (50_000 // len(unit)))[:50_000]
    try:
        parse_text(text, "t.ppl")
    except PolicySyntaxError as error:
        assert error.span.line > 0


def test_includes_are_kept_as_they_are_written() -> None:
    document = parse_document('include "b.ppl"\npolicy {}\ninclude "../a b.yaml"', "t.ppl")
    assert document == Document((Include("b.ppl"), Include("../a b.yaml")), (Policy(),))
    assert document.includes[1].span == Span("t.ppl", 3, 9)


def test_a_text_that_is_read_alone_has_no_includes() -> None:
    error = failure('policy {}\ninclude "a.ppl"')
    assert (error.span.line, error.span.column) == (2, 9)
    assert "an include needs a reader of files" in error.message
    assert error.source_line == 'include "a.ppl"'


def seconds(text: str) -> float:
    started = time.process_time()
    try:
        parse_document(text, "t.ppl")
    except PolicySyntaxError as error:
        assert error.span.line > 0
    return time.process_time() - started


def test_a_policy_of_a_thousand_rules_is_read_in_time() -> None:
    rule_text = '    # why\n    allow or {\n        domain is "a.com" # who\n        user is "b"\n    }\n'
    assert seconds("policy {\n" + rule_text * 1000 + "}\n") < 2  # some 0.2 s on an idle machine


@pytest.mark.parametrize(
    "unit",
    ["policy {", "policy { # c\n", "# c\n", "[", 'include "a" ', "policy {} ", "\x00", "\ufffd", "a.b/c "],
)
def test_time_grows_with_the_length_alone(unit: str) -> None:
    size = 100_000 // len(unit)
    assert seconds(unit * 2 * size) < 1 + 4 * seconds(unit * size)
    assert seconds(unit * (10_000_000 // len(unit))) < 1


@pytest.mark.parametrize("members", ["1, # c\n", "[], ", '"a",\n', "{ a 1 # c\n }, # d\n"])
def test_time_of_good_texts_grows_with_their_length_alone(members: str) -> None:
    def text(count: int) -> str:
        return "policy { allow or { a [" + members * count + "] } } # end"

    assert seconds(text(8_000)) < 1 + 4 * seconds(text(4_000))


@settings(deadline=None)
@given(st.text(alphabet='policy allow{}[]"#;:,\n\\<=1-/ ', max_size=60))
def test_random_text_is_a_policy_or_a_policy_syntax_error(text: str) -> None:
    try:
        parse_text(text, "t.ppl")
    except PolicySyntaxError as error:
        assert str(error).startswith("t.ppl:")
