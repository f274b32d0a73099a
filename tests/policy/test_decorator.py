from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policy_grammar import parse_text
from pomerium_tw.model import ANONYMOUS, Identity, Request
from pomerium_tw.policy import (
    CRITERION_ERROR,
    CompiledPolicy,
    Environment,
    FunctionCriterion,
    PolicyError,
    compile_policy,
    criterion,
)

from .situations import identity, request

SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def compiled(word: FunctionCriterion, use: str, now: float = SATURDAY) -> CompiledPolicy:
    trees = parse_text(f"policy {{ allow or {{ {use} }} }}", "t.ppl")
    return compile_policy(trees, {word.name: word}, Environment(now=lambda: now))


def test_a_function_of_the_time_is_a_criterion() -> None:
    @criterion("weekend")
    def weekend(now: float) -> bool:
        return datetime.fromtimestamp(now, UTC).weekday() >= 5

    policy = compiled(weekend, "weekend")
    assert policy.reads == {"time"}
    found = policy.evaluate(request(), ANONYMOUS)
    assert (found.allow, found.allow_reasons) == (True, {"weekend-ok"})
    found = compiled(weekend, "weekend", SATURDAY - 86_400).evaluate(request(), ANONYMOUS)
    assert (found.allow, found.allow_reasons) == (False, {"weekend-unauthorized"})
    assert weekend(SATURDAY)


def test_data_is_read_once_when_the_policy_is_loaded() -> None:
    read: list[Any] = []

    def number(data: Any) -> int:
        read.append(data)
        return int(data)

    @criterion("longer_than", parse=number, accepts="a number")
    def longer_than(request: Request, data: int) -> bool:
        return len(request.target.path) > data

    policy = compiled(longer_than, "longer_than 3")
    assert policy.evaluate(request(path="/four"), ANONYMOUS).allow
    assert not policy.evaluate(request(path="/2"), ANONYMOUS).allow
    assert read == [3]
    with pytest.raises(PolicyError) as caught:
        compiled(longer_than, 'longer_than "x"')
    assert str(caught.value).startswith("t.ppl:1:33: longer_than takes a number: ")


def test_one_that_looks_at_the_identity_asks_anonymous_callers_to_sign_in() -> None:
    @criterion("vip")
    def vip(identity: Identity, data: Any) -> bool:
        return identity.user_id in data

    policy = compiled(vip, 'vip ["u1"]')
    assert policy.reads == {"identity"}
    assert policy.evaluate(request(), identity("u1")).allow
    assert policy.evaluate(request(), identity("u2")).allow_reasons == {"vip-unauthorized"}
    assert policy.evaluate(request(), ANONYMOUS).allow_reasons == {"user-unauthenticated"}


def test_what_it_needs_can_be_said_instead_of_derived() -> None:
    @criterion("quiet", reads=frozenset({"path"}), needs_session=True)
    def quiet(request: Request) -> bool:
        return request.target.path == "/quiet"

    policy = compiled(quiet, "quiet")
    assert policy.reads == {"path", "identity"}, "who signs in is told another reason"
    assert policy.evaluate(request(), ANONYMOUS).allow_reasons == {"user-unauthenticated"}


def test_an_answer_that_is_not_a_boolean_denies() -> None:
    @criterion("sloppy")
    def sloppy(request: Request) -> Any:
        return "yes"

    found = compiled(sloppy, "sloppy").evaluate(request(), ANONYMOUS)
    assert found.deny
    assert found.deny_reasons == {CRITERION_ERROR}


def test_a_parameter_that_nobody_has_is_refused_at_once() -> None:
    with pytest.raises(
        TypeError, match=r"nothing goes by the name of moon; there are request, identity, now"
    ):

        @criterion("wolf")
        def wolf(moon: float) -> bool:
            return moon > 0


def test_parameters_go_by_their_names_in_any_order() -> None:
    @criterion("odd")
    def odd(data: Any, request: Request, *, identity: Identity) -> bool:
        return (data, request.method, identity.user_id) == (5, "GET", "u1")

    assert compiled(odd, "odd 5").evaluate(request(), identity("u1")).allow


def test_one_that_is_slow_and_raises_is_cut_off_too() -> None:
    clock = [0.0]
    runs: list[float] = []

    @criterion("lost")
    def lost(request: Request) -> bool:
        runs.append(clock[0])
        clock[0] += 1.0
        raise TimeoutError("no answer")

    trees = parse_text("policy { allow or { lost } }", "t.ppl")
    policy = compile_policy(trees, {"lost": lost}, clock=lambda: clock[0])
    for _ in range(3):
        assert policy.evaluate(request(), ANONYMOUS).deny_reasons == {CRITERION_ERROR}
    assert len(runs) == 1


def test_one_that_ends_the_process_denies() -> None:
    @criterion("leaving")
    def leaving(request: Request) -> bool:
        raise SystemExit(0)

    assert compiled(leaving, "leaving").evaluate(request(), ANONYMOUS).deny
