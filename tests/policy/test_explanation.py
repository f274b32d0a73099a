from __future__ import annotations

from hypothesis import given

from policy_grammar import Policy, parse_text
from pomerium_tw.model import ANONYMOUS, Identity, Request
from pomerium_tw.policy import (
    BUILT_IN,
    CRITERION_ERROR,
    INPUTS,
    Explainer,
    Explanation,
    compile_policy,
    criterion,
)

from .situations import WORLD, identities, identity, random_policies, request, requests

APP = """
policy "app" {
    allow or {
        domain "example.com"
        user "robot"
    }
    deny and {
        http_path starts_with "/admin"
        claim/groups exclude "admins"
    }
    deny or { source_ip "10.0.0.0/8" }
}
"""


def explained(text: str, asked: Request, who: Identity, known: frozenset[str] = INPUTS) -> Explanation:
    return Explainer(parse_text(text, "app.ppl"), known=known).explain(asked, who)


@given(random_policies, requests, identities)
def test_it_tells_what_the_compiled_policy_does(
    policies: list[Policy], asked: Request, who: Identity
) -> None:
    expected = compile_policy(policies, environment=WORLD).evaluate(asked, who)
    found = Explainer(policies, environment=WORLD).explain(asked, who)
    assert found.possible == (expected,)
    for action, value, reasons in (
        ("allow", expected.allow, expected.allow_reasons),
        ("deny", expected.deny, expected.deny_reasons),
    ):
        assert found.value(action) is value
        assert frozenset().union(*(node.reasons for node in found.deciding(action))) == reasons


def test_every_node_says_where_it_stands_and_what_it_came_to() -> None:
    found = explained(APP, request(path="/admin/x"), identity("u", "a@example.com", groups=("dev",)))
    allow, deny, other = found.rules
    assert [(node.kind, node.span.line, node.value) for node in (allow, deny, other)] == [
        ("allow", 3, True),
        ("deny", 7, True),
        ("deny", 11, False),
    ]
    criteria = allow.children[0].children
    assert [(str(node.span), node.text, node.value) for node in criteria] == [
        ("app.ppl:4:9", 'domain "example.com"', True),
        ("app.ppl:5:9", 'user "robot"', False),
    ]
    assert [node.text for node in found.deciding("deny")] == [
        'http_path starts_with "/admin"',
        'claim/groups exclude "admins"',
    ]
    assert [node.text for node in found.deciding("allow")] == ['domain "example.com"']


def test_what_is_not_known_makes_unknown_only_what_depends_on_it() -> None:
    known = INPUTS - {"address"}
    found = explained(APP, request(path="/"), identity("u", "a@example.com"), known)
    network = found.rules[2].children[0].children[0]
    assert (network.value, network.missing, network.reasons) == (None, ("address",), frozenset())
    assert found.value("deny") is None
    assert found.value("allow") is True
    assert {each.deny for each in found.possible} == {True, False}
    settled = explained(APP, request(path="/admin"), identity("u", "a@example.com"), known)
    assert settled.value("deny") is True


def test_too_many_unknowns_are_not_tried_out() -> None:
    rules = "\n".join(f'source_ip "10.0.0.{number}"' for number in range(7))
    found = explained(f"policy {{ allow and {{ {rules} }} }}", request(), ANONYMOUS, INPUTS - {"address"})
    assert found.possible == ()
    assert found.value("allow") is None


def test_a_criterion_that_fails_denies_and_is_marked() -> None:
    @criterion("shaky")
    def shaky(request: Request) -> bool:
        raise RuntimeError("no")

    policies = parse_text("policy { allow or { accept; shaky } }", "t.ppl")
    found = Explainer(policies, {**BUILT_IN, "shaky": shaky}).explain(request(), ANONYMOUS)
    node = found.rules[0].children[0].children[1]
    assert (node.value, node.reasons) == (None, {CRITERION_ERROR})
    assert [(each.allow, each.deny, each.deny_reasons) for each in found.possible] == [
        (False, True, {CRITERION_ERROR})
    ]
