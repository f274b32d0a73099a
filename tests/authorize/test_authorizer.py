"""One call decides and writes it down."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.task import Clock

from policy_grammar import parse_text
from pomerium_tw.authorize import Authorizer
from pomerium_tw.model import ANONYMOUS, Identity, Outcome, Route
from pomerium_tw.policy import CompiledPolicy, compile_policy
from pomerium_tw.telemetry import DecisionLog, LineWriter
from tests.logs import AtOnce

from .values import NOW, identity, request, route


def policy(rules: str) -> CompiledPolicy:
    return compile_policy(parse_text(f"policy {{ {rules} }}", "t.ppl"))


class Decider:
    """An authorizer with its log."""

    def __init__(self, rules: str) -> None:
        self.written: list[bytes] = []
        self.writer = LineWriter(AtOnce(1, self._write), Clock())
        self.authorizer = Authorizer({"r1": policy(rules)}, DecisionLog(self.writer))

    def _write(self, _fd: int, data: bytes) -> int:
        self.written.append(data)
        return len(data)

    def check(self, who: Identity, at: Route | None = None) -> Any:
        return self.authorizer.check(request(), at or route(), who, NOW)

    def lines(self) -> list[dict[str, Any]]:
        self.writer.flush()
        return [json.loads(line) for line in b"".join(self.written).splitlines()]


EMPLOYEES = 'allow or { domain is "example.com" } deny or { email is "fired@example.com" }'


@pytest.mark.parametrize(
    ("who", "outcome", "why"),
    [
        (identity(), Outcome.ALLOW, {"allow": True, "allow-why-true": ["domain-ok"], "deny": False}),
        (
            identity(email="u@other.example"),
            Outcome.DENY,
            {"allow": False, "allow-why-false": ["domain-unauthorized"]},
        ),
        (
            identity(email="fired@example.com"),
            Outcome.DENY,
            {"allow": True, "deny": True, "deny-why-true": ["email-ok"]},
        ),
        (ANONYMOUS, Outcome.LOGIN, {"allow": False, "allow-why-false": ["user-unauthenticated"]}),
    ],
)
def test_every_decision_is_logged_once_with_its_reasons(
    who: Identity, outcome: Outcome, why: dict[str, Any]
) -> None:
    decider = Decider(EMPLOYEES)
    assert decider.check(who).outcome is outcome
    (line,) = decider.lines()
    assert line.items() >= why.items()
    assert (line["request-id"], line["route-id"], line["email"]) == ("5f1c", "r1", who.email)


def test_a_route_without_a_policy_lets_nobody_in_and_says_so() -> None:
    decider = Decider(EMPLOYEES)
    decision = decider.check(identity(), Route("other", "x", "app.example.com", None, ()))
    assert (decision.outcome, decision.status) == (Outcome.DENY, 404)
    (line,) = decider.lines()
    assert (line["deny"], line["deny-why-true"], line["route-id"]) == (True, ["route-not-found"], "other")


def test_equal_evaluations_share_a_decision_and_others_do_not() -> None:
    decider = Decider(EMPLOYEES)
    assert decider.check(identity()) is decider.check(identity())
    assert decider.check(identity()) is not decider.check(ANONYMOUS)


def test_what_the_log_remembers_of_anonymous_callers_is_as_much_as_there_are_routes() -> None:
    ANONYMOUS.memo.clear()
    decider = Decider("allow or { accept }")
    for _ in range(2):
        for number in range(300):
            decider.check(ANONYMOUS, replace(route(), id=f"r{number}"))
    assert [line["route-id"] for line in decider.lines()] == 2 * [f"r{number}" for number in range(300)]
    assert len({key[1] for key in decider.authorizer._of_nobody}) == 300
    assert not ANONYMOUS.memo, "it outlives every configuration"


def test_a_log_that_cannot_be_written_does_not_stop_decisions() -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    writer = LineWriter(AtOnce(1, full), Clock())
    authorizer = Authorizer({"r1": policy(EMPLOYEES)}, DecisionLog(writer))
    for _ in range(1000):
        assert authorizer.check(request(), route(), identity(), NOW).outcome is Outcome.ALLOW
    writer.flush()
    assert writer.dropped_lines == 1000
