from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

_REASON = "the bench extra is not installed: pip install '.[bench]'"
pytest.importorskip("cedarpy", reason=_REASON)
pytest.importorskip("regorus", reason=_REASON)

from bench.policy import DisagreementError, check, markdown  # noqa: E402
from bench.policy_engines import ENGINES, OURS, Engine  # noqa: E402
from bench.policy_timing import Case, Repetition, rounds, rows  # noqa: E402
from bench.policy_workload import RING, Asked, policies, requests, rings, users  # noqa: E402

POLICIES = policies()
SIZES = pytest.mark.parametrize("size", sorted(POLICIES))
EMPLOYEE = next(
    user
    for user in users()
    if user["email"].endswith("@example.com") and "admins" not in user["claims"]["groups"]
)


def answer(engine: Engine, size: int, asked: Asked) -> int:
    return engine.prepare(POLICIES[size])(engine.items([asked]))


@SIZES
def test_the_policies_are_as_large_as_the_report_says(size: int) -> None:
    operators = [operator for rule in POLICIES[size].rules for operator in rule.operators]
    assert sum(len(operator.criteria) for operator in operators) == size


@SIZES
def test_every_engine_answers_every_request_alike(size: int) -> None:
    for outcome, ring in rings(POLICIES[size]).items():
        assert len(ring) == RING
        check(POLICIES[size], outcome, ring)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.key)
def test_answers_that_a_person_can_tell(engine: Engine) -> None:
    page = {"method": "GET", "path": "/dashboard", "user": EMPLOYEE}
    assert answer(engine, 1, page) == 1
    assert answer(engine, 10, page) == 1
    assert answer(engine, 10, {**page, "path": "/admin"}) == 0
    assert answer(engine, 10, {**page, "method": "TRACE"}) == 0
    assert answer(engine, 1, {**page, "user": None}) == 0
    assert answer(engine, 10, {**page, "path": "/public/", "user": None}) == 1


def test_an_engine_of_another_opinion_stops_the_benchmark() -> None:
    policy = POLICIES[1]
    with pytest.raises(DisagreementError, match="does not deny"):
        check(policy, "deny", rings(policy)["allow"][:1])


def test_no_request_comes_twice() -> None:
    found = list(itertools.islice(requests(), 2000))
    assert len({(asked["method"], asked["path"]) for asked in found}) == 2000


def test_only_the_row_of_new_callers_makes_its_values_anew() -> None:
    assert [engine.key for engine in OURS if engine.fresh] == ["new"]


def work(seconds: Iterator[float]) -> tuple[float, int]:
    return next(seconds), 2


def test_the_work_is_done_in_turn_and_the_median_counts() -> None:
    first, second = Case(1, "allow", "a"), Case(1, "allow", "b")
    seconds = {first: iter([1.0, 9.0, 2.0] * 3), second: iter([4.0, 4.0, 4.0] * 3)}
    done = rounds({case: lambda case=case: work(seconds[case]) for case in seconds}, 3)
    assert [each.case for each in done[:4]] == [first, second, first, second]
    quiet = [Repetition(each.case, each.microseconds, 0.0) for each in done[:6]]
    assert rows(quiet)[first].microseconds == 1e6
    assert (rows(quiet)[first].least, rows(quiet)[first].most) == (0.5e6, 4.5e6)


def test_disturbed_repetitions_are_left_out_unless_there_is_no_other() -> None:
    case = Case(1, "allow", "a")
    quiet, disturbed = Repetition(case, 1.0, 0.0), Repetition(case, 9.0, 0.5)
    assert (row := rows([disturbed, quiet])[case]).microseconds == 1.0
    assert (row.kept, row.dropped, row.disturbed) == (1, 1, False)
    assert rows([disturbed])[case].disturbed


def test_the_faster_row_of_a_peer_is_the_one_to_beat() -> None:
    spent = {"known": 1.0, "new": 2.0, "data": 40.0, "cedarpy": 30.0, "cedarpy_users": 90.0, "regorus": 15.0}
    repetitions = [
        Repetition(Case(10, outcome, key), microseconds, 0.0)
        for outcome in ("allow", "deny")
        for key, microseconds in spent.items()
    ]
    text = markdown(rows([*repetitions, Repetition(Case(1000, "load", "pomerium_tw, text"), 2e6, 0.0)]), {})
    assert "- pomerium_tw, callers known: 10 × cedarpy met, 30.0 at least" in text
    assert "- pomerium_tw, callers known: 20 × regorus missed at 10 allow (15.0), 10 deny (15.0)" in text
    assert "- load in 1 s: missed by ['pomerium_tw, text']" in text
