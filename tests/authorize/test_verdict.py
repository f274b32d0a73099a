from __future__ import annotations

from typing import Any

import pytest

from policy_grammar import parse_text
from pomerium_tw.authorize import Verdict, verdict
from pomerium_tw.model import ANONYMOUS, Identity, Outcome
from pomerium_tw.policy import BUILT_IN, INPUTS, Environment, Explainer, criterion
from tests.policy.situations import identity, request

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
    deny or { invalid_client_certificate }
}
"""
MEMBER = identity("u", "a@example.com", groups=("dev",))


def judged(who: Identity = MEMBER, text: str = APP, **asked: Any) -> Verdict:
    return verdict(Explainer(parse_text(text, "app.ppl")).explain(request(**asked), who))


@pytest.mark.parametrize(
    ("who", "path", "outcome", "sentence"),
    [
        (
            MEMBER,
            "/",
            Outcome.ALLOW,
            'allowed: an allow rule holds; domain "example.com" at app.ppl:4:9 is true',
        ),
        (
            MEMBER,
            "/admin",
            Outcome.DENY,
            'denied (403): a deny rule holds; http_path starts_with "/admin" at app.ppl:8:9 is true'
            ", and so for 1 more",
        ),
        (
            ANONYMOUS,
            "/",
            Outcome.LOGIN,
            'sent to sign in: domain "example.com" at app.ppl:4:9 asks who is there, and nobody is signed in',
        ),
        (
            identity("u", "a@other.org"),
            "/",
            Outcome.DENY,
            'denied (403): no allow rule holds; domain "example.com" at app.ppl:4:9 is false'
            ", and so for 1 more",
        ),
    ],
)
def test_one_sentence_names_what_decided_and_where(
    who: Identity, path: str, outcome: Outcome, sentence: str
) -> None:
    found = judged(who, path=path)
    assert found.decision is not None and found.decision.outcome is outcome
    assert found.sentence == sentence


def test_a_certificate_decides_before_all_else() -> None:
    world = Environment(certificate_valid=lambda _certificate: False)
    found = verdict(Explainer(parse_text(APP, "app.ppl"), environment=world).explain(request(), ANONYMOUS))
    assert found.decision is not None and found.decision.status == 495
    assert [node.span.line for node in found.deciding] == [11]
    assert "invalid_client_certificate at app.ppl:11:15 is true" in found.sentence


def test_a_certificate_reason_counts_although_the_rule_is_false() -> None:
    text = "policy { allow or { accept }\n deny not { invalid_client_certificate } }"
    world = Environment(certificate_valid=lambda _certificate: False)
    found = verdict(Explainer(parse_text(text, "app.ppl"), environment=world).explain(request(), ANONYMOUS))
    assert found.decision is not None and found.decision.status == 495
    assert [node.span.line for node in found.deciding] == [2]
    assert found.sentence.startswith("denied (495): the certificate is not good; invalid_client_certificate")


def test_a_device_is_asked_for() -> None:
    found = judged(text='policy { allow and { domain "example.com"; device type "any" } }')
    assert found.decision is not None and found.decision.outcome is Outcome.STEP_UP
    assert found.sentence.startswith('stopped for a device: device type "any" at app.ppl:1:')


@pytest.mark.parametrize("text", ["policy { }", "policy { allow or { } }", "policy { deny or { reject } }"])
def test_a_policy_that_lets_nobody_in(text: str) -> None:
    found = judged(text=text)
    assert found.sentence == "denied (403): no allow rule of the policy has a criterion"


def test_what_is_not_known_is_named() -> None:
    text = 'policy { allow or { source_ip "10.0.0.0/8" } }'
    explainer = Explainer(parse_text(text, "app.ppl"), known=INPUTS - {"address"})
    found = verdict(explainer.explain(request(), MEMBER))
    assert found.decision is None
    assert found.sentence == (
        'unknown: source_ip "10.0.0.0/8" at app.ppl:1:21 depends on what was not given: address'
    )


def test_what_does_not_depend_on_the_unknown_is_decided() -> None:
    text = 'policy { allow or { domain "example.com" }\n deny and { source_ip "10.0.0.0/8"; reject } }'
    explainer = Explainer(parse_text(text, "app.ppl"), known=INPUTS - {"address"})
    found = verdict(explainer.explain(request(), MEMBER))
    assert found.decision is not None and found.decision.outcome is Outcome.ALLOW


def test_a_criterion_that_fails_is_named() -> None:
    @criterion("shaky")
    def shaky(request: object) -> bool:
        raise RuntimeError("no")

    policies = parse_text("policy { allow or { accept\n shaky } }", "app.ppl")
    found = verdict(Explainer(policies, {**BUILT_IN, "shaky": shaky}).explain(request(), ANONYMOUS))
    assert found.sentence == "denied (403): shaky at app.ppl:2:2 failed to answer: RuntimeError('no')"
