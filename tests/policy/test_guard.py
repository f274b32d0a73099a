from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from zope.interface import implementer

from policy_grammar import Criterion, parse_text
from pomerium_tw.model import ANONYMOUS, Identity, Request
from pomerium_tw.policy import (
    BUILT_IN,
    CRITERION_ERROR,
    MAX_MATCH_SECONDS,
    Branch,
    CompiledPolicy,
    ICriterion,
    PolicyError,
    compile_policy,
    decided,
    decided_signed_in,
)

from .situations import identity, request


@implementer(ICriterion)
class Plugin:
    name = "plugin"
    accepts = "no data"
    reads = frozenset({"time"})

    def __init__(self, match: Callable[[Request, Identity], Any]) -> None:
        self.match = match

    def prepare(self, criterion: Criterion) -> Sequence[Branch]:
        return decided(self.match, "plugin-ok", "plugin-no")


class Heard:
    """What ``on_error`` was told, and a clock that moves only when asked to."""

    def __init__(self) -> None:
        self.errors: list[tuple[Criterion | None, Exception]] = []
        self.now = 100.0

    def compile(self, rules: str, plugin: Any) -> CompiledPolicy:
        trees = parse_text(f"policy {{ {rules} }}", "t.ppl")
        return compile_policy(
            trees,
            {**BUILT_IN, "plugin": plugin},
            on_error=lambda criterion, error: self.errors.append((criterion, error)),
            clock=lambda: self.now,
        )


def fail(_request: Request, _identity: Identity) -> bool:
    raise KeyError("gone")


def test_only_true_is_true_and_false_is_an_answer() -> None:
    for answer in (True, False):
        found = (
            Heard()
            .compile("allow or { plugin }", Plugin(lambda *_, answer=answer: answer))
            .evaluate(request(), ANONYMOUS)
        )
        assert found.allow is answer
        assert found.allow_reasons == {"plugin-ok" if answer else "plugin-no"}


@pytest.mark.parametrize("kind", ["and", "or", "not", "nor"])
@pytest.mark.parametrize("action", ["allow", "deny"])
@pytest.mark.parametrize(
    "match",
    [fail, lambda *_: "yes", lambda *_: 1, lambda *_: None, lambda *_: 0],
    ids=["raises", "yes", "1", "None", "0"],
)
def test_a_failing_criterion_denies_wherever_it_stands(
    kind: str, action: str, match: Callable[[Request, Identity], Any]
) -> None:
    heard = Heard()
    policy = heard.compile(f"allow or {{ accept }}; {action} {kind} {{ accept; plugin }}", Plugin(match))
    found = policy.evaluate(request(), ANONYMOUS)
    assert (found.allow, found.deny) == (False, True)
    assert found.allow_reasons == found.deny_reasons == {CRITERION_ERROR}
    (error,) = heard.errors
    assert error[0] is not None
    assert error[0].name == "plugin"


def test_a_failing_criterion_is_not_hidden_by_one_that_settles_the_operator() -> None:
    policy = Heard().compile("allow or { accept; plugin }", Plugin(fail))
    assert policy.evaluate(request(), ANONYMOUS).deny_reasons == {CRITERION_ERROR}


def test_a_failure_outside_of_plugins_denies_too() -> None:
    heard = Heard()
    policy = heard.compile('allow or { http_method "GET" }', Plugin(fail))
    found = policy.evaluate(None, ANONYMOUS)  # type: ignore[arg-type]  # no request at all
    assert found.deny_reasons == {CRITERION_ERROR}
    assert heard.errors[0][0] is None


def test_a_match_that_overran_denies_until_its_policy_is_compiled_again() -> None:
    heard, calls = Heard(), []

    def slow(_request: Request, _identity: Identity) -> bool:
        calls.append(1)
        heard.now += MAX_MATCH_SECONDS * 2 if len(calls) == 2 else 0.0
        return True

    policy = heard.compile("allow or { plugin }", Plugin(slow))
    outcomes = [policy.evaluate(request(), ANONYMOUS).allow for _ in range(4)]
    assert outcomes == [True, False, False, False]
    assert len(calls) == 2
    assert isinstance(heard.errors[0][1], TimeoutError)
    assert heard.compile("allow or { plugin }", Plugin(slow)).evaluate(request(), ANONYMOUS).allow


def test_what_a_plugin_reads_belongs_to_the_policy() -> None:
    assert Heard().compile("allow or { plugin }", Plugin(fail)).reads == {"time"}


def test_a_plugin_can_ask_the_caller_to_sign_in() -> None:
    class Needing(Plugin):
        def prepare(self, criterion: Criterion) -> Sequence[Branch]:
            return decided_signed_in(self.match, "ok", "no")

    policy = Heard().compile("allow or { plugin }", Needing(lambda *_: False))
    assert policy.evaluate(request(), ANONYMOUS).allow_reasons == {"user-unauthenticated"}
    assert policy.evaluate(request(), identity()).allow_reasons == {"no"}


@pytest.mark.parametrize(
    "branches",
    [
        (),
        (Branch(fail, True, "a"),),
        (Branch(None, True, "a"), Branch(None, False, "b")),
    ],
)
def test_answers_that_leave_a_gap_are_refused_at_load(branches: tuple[Branch, ...]) -> None:
    class Gap(Plugin):
        def prepare(self, criterion: Criterion) -> Sequence[Branch]:
            return branches

    with pytest.raises(PolicyError, match="the last answer of plugin"):
        Heard().compile("allow or { plugin }", Gap(fail))


def test_an_input_that_no_request_has_is_refused_at_load() -> None:
    class Weather(Plugin):
        reads = frozenset({"weather"})

    with pytest.raises(PolicyError, match="weather"):
        Heard().compile("allow or { plugin }", Weather(fail))


def test_a_plugin_that_fails_on_its_data_is_an_error_at_the_place_of_the_data() -> None:
    class Broken(Plugin):
        def prepare(self, criterion: Criterion) -> Sequence[Branch]:
            raise ZeroDivisionError

    with pytest.raises(PolicyError, match=r"t\.ppl:1:21: plugin cannot read its data: ZeroDivisionError"):
        Heard().compile("allow or { plugin }", Broken(fail))


@pytest.mark.parametrize(
    "said",
    [
        (Branch(None, "no", "x"),),  # type: ignore[arg-type]
        (Branch(None, True, 5),),  # type: ignore[arg-type]
        ("no branch",),
        (Branch("sleep", True, "x"), Branch(None, False, "y")),  # type: ignore[arg-type]
    ],
)
def test_what_a_plugin_says_is_checked_when_the_policy_is_loaded(said: Any) -> None:
    class Odd(Plugin):
        def prepare(self, criterion: Criterion) -> Any:
            return said

    with pytest.raises(PolicyError):
        compile_policy(
            parse_text("policy { allow or { plugin } }", "t.ppl"), {"plugin": Odd(lambda _r, _i: True)}
        )


@pytest.mark.parametrize("reads", [None, 5, ["moon"]])
def test_what_a_plugin_reads_is_checked_too(reads: Any) -> None:
    plugin = Plugin(lambda _request, _identity: True)
    plugin.reads = reads
    with pytest.raises(PolicyError):
        compile_policy(parse_text("policy { allow or { plugin } }", "t.ppl"), {"plugin": plugin})
