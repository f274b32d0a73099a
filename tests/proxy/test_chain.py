"""Exchanges that walk the chain together: every step sees all of them, and none is harmed by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from pomerium_tw.model import Reply
from pomerium_tw.proxy import Chain, Respond
from pomerium_tw.proxy.exchange import Exchange, Rest
from tests.authorize.values import request


class Asked(Exchange):
    """An exchange that is only looked at."""

    def __init__(self, name: str) -> None:
        self.request = request()._replace(id=name)
        self.gone = False
        self.was_reset = False

    def reset(self) -> None:
        self.was_reset = True


class Step:
    reads, edits = (), ()

    def __init__(self, name: str, seen: list[str], answers: dict[str, Any]) -> None:
        """``answers``: exchange → what to answer or to raise; "go on" for any other."""
        self.name = name
        self._seen = seen
        self._answers = answers

    def advance(self, exchange: Any) -> Any:
        name = exchange.request.id
        self._seen.append(f"{self.name} {name}")
        answer = self._answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Walk:
    """What came of some exchanges that walked a chain. It stands for Finish."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.answers: list[tuple[str, int]] = []
        self.exchanges: dict[str, Asked] = {}

    def of(self, names: str, *steps: dict[str, Any]) -> list[tuple[str, int]]:
        """An exchange for each letter; the answers that they got at once."""
        finish: Any = self
        chain = Chain([Step(str(number), self.seen, each) for number, each in enumerate(steps, 1)], finish)
        self.exchanges = {name: Asked(name) for name in names}
        exchanges: Any = list(self.exchanges.values())
        chain.run(exchanges)
        return self.answers

    def notes(self, what: str) -> Callable[[Any], None]:
        """A call of a Rest."""
        return lambda exchange: self.seen.append(f"{what} {exchange.request.id}")

    def reply(self, exchange: Any, reply: Reply, _details: str) -> None:
        self.answers.append((exchange.request.id, reply.status))

    def internal_error(self, exchange: Any) -> None:
        self.answers.append((exchange.request.id, 500))


def respond(status: int = 200) -> Respond:
    return Respond(Reply(status), "direct_response")


def to_all(names: str) -> dict[str, Any]:
    return {name: respond() for name in names}


def fails(_exchange: object) -> None:
    raise RuntimeError("broken")


def goes_on(_exchange: object) -> None:
    return None


def test_a_step_sees_all_exchanges_before_the_next_step_sees_one() -> None:
    walk = Walk()
    assert walk.of("abc", {}, {}, to_all("abc")) == [("a", 200), ("b", 200), ("c", 200)]
    assert walk.seen == [f"{step} {name}" for step in "123" for name in "abc"]


def test_answers_are_carried_out_when_all_steps_are_through() -> None:
    walk = Walk()
    answered: list[int] = []
    look = Rest(lambda _exchange: answered.append(len(walk.answers)))
    walk.of("ab", {"a": respond(403)}, {"b": look}, to_all("b"))
    assert answered == [0]
    assert walk.answers == [("a", 403), ("b", 200)]


def test_what_one_answers_fails_at_or_waits_for_leaves_the_others_where_they_are() -> None:
    walk, waiting = Walk(), Deferred[None]()
    first = {"a": respond(403), "c": RuntimeError("broken"), "e": waiting, "g": Rest(goes_on)}
    answers = walk.of("abcdefg", first, to_all("abcdefg"))
    assert [seen for seen in walk.seen if seen[0] == "2"] == ["2 b", "2 d", "2 f", "2 g"]
    assert sorted(answers) == [("a", 403), ("b", 200), ("c", 500), ("d", 200), ("f", 200), ("g", 200)]


@pytest.mark.parametrize("broken", ["no outcome at all", Rest(lambda _exchange: Rest(goes_on))])
def test_an_answer_that_cannot_be_carried_out_is_500_for_its_exchange_alone(broken: object) -> None:
    assert Walk().of("abc", {**to_all("ac"), "b": broken}) in (
        [("a", 200), ("b", 500), ("c", 200)],
        [("a", 200), ("c", 200), ("b", 500)],
    )


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_chain_that_ends_without_an_answer_is_500(steps: int) -> None:
    assert Walk().of("ab", *[{}] * steps) == [("a", 500), ("b", 500)]


@pytest.mark.parametrize(
    "answer",
    [
        lambda: None,
        lambda: respond(403),
        lambda: RuntimeError("broken"),
        lambda: "no outcome at all",
        lambda: Rest(goes_on, goes_on),
        lambda: Rest(goes_on, lambda _exchange: respond(201)),
        lambda: Rest(lambda _exchange: respond(418), goes_on),
        lambda: Rest(goes_on, fails, goes_on),
        lambda: Rest(lambda _exchange: succeed(None)),
        lambda: Rest(lambda _exchange: Rest(goes_on)),
        lambda: succeed(None),
        lambda: succeed(respond(403)),
        lambda: succeed("no outcome at all"),
        lambda: fail(RuntimeError("broken")),
        Deferred,
    ],
)
@pytest.mark.parametrize("answered", [False, True])
def test_one_alone_comes_to_what_it_comes_to_in_company(answer: Callable[[], Any], answered: bool) -> None:
    alone, company = Walk(), Walk()
    last = {"b": respond(202)} if answered else {}
    alone.of("b", {}, {"b": answer()}, {}, last)
    company.of("abc", {}, {"b": answer()}, {}, to_all("ac") | last)
    assert alone.answers == [told for told in company.answers if told[0] == "b"]
    assert alone.seen == [seen for seen in company.seen if seen.endswith("b")]
    assert [told for told in company.answers if told[0] != "b"] == [("a", 200), ("c", 200)]


@pytest.mark.parametrize("names", ["b", "abc"])
@pytest.mark.parametrize("broken", [RuntimeError("broken"), "no outcome at all", Rest(fails), None])
def test_who_cannot_even_be_told_that_it_failed_is_cut_off_alone(names: str, broken: Any) -> None:
    class Mute(Walk):
        def internal_error(self, exchange: Any) -> None:
            raise RuntimeError("the page broke as well")

    walk = Mute()
    others = [name for name in names if name != "b"]
    assert walk.of(names, {"b": broken}, to_all("ac")) == [(name, 200) for name in others]
    assert [name for name, exchange in walk.exchanges.items() if exchange.was_reset] == ["b"]


def test_an_exchange_without_an_answer_harms_none_that_has_one() -> None:
    assert sorted(Walk().of("abc", to_all("ac"))) == [("a", 200), ("b", 500), ("c", 200)]


# -- what remains to be done


def test_the_calls_of_a_rest_are_made_in_rounds() -> None:
    walk = Walk()
    short = Rest(walk.notes("x"), goes_on)
    long = Rest(walk.notes("x"), walk.notes("y"), walk.notes("z"), lambda _exchange: respond(201))
    assert sorted(walk.of("abcd", {"a": long, "b": short, "d": long}, to_all("bc"))) == [
        ("a", 201),
        ("b", 200),
        ("c", 200),
        ("d", 201),
    ]
    rounds = ["x a", "x b", "x d", "y a", "y d", "z a", "z d"]
    assert walk.seen == ["1 a", "1 b", "1 c", "1 d", *rounds, "2 c", "2 b"]


def test_what_the_last_call_answers_counts_and_no_other_does() -> None:
    waiting = Deferred[None]()
    walk = Walk()
    ignored = Rest(lambda _exchange: respond(418), goes_on)
    answers = walk.of("abc", {"a": ignored, "b": Rest(lambda _exchange: waiting)}, to_all("abc"))
    assert sorted(answers) == [("a", 200), ("c", 200)]
    waiting.callback(None)
    assert answers[-1] == ("b", 200)


@pytest.mark.parametrize("before", [0, 1])
def test_a_call_that_fails_is_500_for_its_exchange_and_ends_its_rest(before: int) -> None:
    walk = Walk()
    well = Rest(goes_on, goes_on, lambda _exchange: respond())
    broken = Rest(*[goes_on] * before, fails, walk.notes("after"), lambda _exchange: respond())
    assert sorted(walk.of("abc", {"a": well, "b": broken, "c": well})) == [
        ("a", 200),
        ("b", 500),
        ("c", 200),
    ]
    assert "after b" not in walk.seen


# -- waiting


def test_who_has_waited_goes_on_alone_with_the_following_step() -> None:
    walk, waiting = Walk(), {"a": Deferred[None](), "b": Deferred[None]()}
    walk.of("abc", {}, waiting, {}, to_all("abc"))
    assert walk.answers == [("c", 200)]
    del walk.seen[:]
    waiting["b"].callback(None)
    assert walk.seen == ["3 b", "4 b"]
    waiting["a"].callback(None)
    assert walk.seen == ["3 b", "4 b", "3 a", "4 a"]
    assert walk.answers == [("c", 200), ("b", 200), ("a", 200)]


def test_what_was_waited_for_may_have_come_already_may_answer_and_may_wait_again() -> None:
    walk, again = Walk(), Deferred[None]()
    come, answering = Deferred[None](), Deferred[Respond]()
    come.callback(None)
    answering.callback(respond(403))
    walk.of("abc", {"a": come, "b": answering}, {"a": again}, to_all("abc"))
    assert walk.answers == [("b", 403), ("c", 200)]
    again.callback(None)
    assert walk.answers[2:] == [("a", 200)]
    assert walk.seen == ["1 a", "1 b", "1 c", "2 c", "3 c", "2 a", "3 a"]


def test_what_was_waited_for_in_vain_is_500() -> None:
    walk = Walk()
    waiting: dict[str, Deferred[Any]] = {name: Deferred() for name in "abc"}
    walk.of("abcd", waiting, to_all("d"))
    waiting["a"].errback(RuntimeError("broken"))
    waiting["b"].callback("no outcome at all")
    waiting["c"].callback(None)
    assert walk.answers == [("d", 200), ("a", 500), ("b", 500), ("c", 500)], "for c there is no answer"


@pytest.mark.parametrize("comes", [None, respond(), RuntimeError("broken")])
def test_a_client_that_left_while_it_waited_is_not_answered(comes: Any) -> None:
    walk = Walk()
    waiting: dict[str, Deferred[Any]] = {name: Deferred() for name in "ab"}
    walk.of("ab", waiting, to_all("ab"))
    walk.exchanges["a"].gone = True
    for each in waiting.values():
        each.errback(comes) if isinstance(comes, Exception) else each.callback(comes)
    assert [name for name, _status in walk.answers] == ["b"]
    assert "2 a" not in walk.seen


def test_who_was_answered_while_it_waited_is_not_answered_again() -> None:
    walk, waiting = Walk(), {"a": Deferred[None](), "b": Deferred[Respond]()}
    walk.of("ab", waiting, to_all("ab"))
    for exchange in walk.exchanges.values():
        exchange.status = 408
    waiting["a"].callback(None)
    waiting["b"].callback(respond())
    assert walk.answers == [] and walk.seen == ["1 a", "1 b"]


def test_a_client_that_left_meanwhile_is_told_of_no_failure() -> None:
    walk = Walk()

    def leaves_and_fails(exchange: Any) -> None:
        exchange.gone = True
        raise RuntimeError("broken")

    assert walk.of("ab", {"a": Rest(leaves_and_fails)}, to_all("b")) == [("b", 200)]
