"""Why a policy answers as it does: every node of its tree with what it came to, for one request.

This is the slow twin of the compiled function: each criterion is compiled alone, and operators are worked out
node by node as spec/ppl §2 has it. What is not known of the request makes a node unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from policy_grammar import ACTIONS, Criterion, Policy, Rule, Span, to_text
from pomerium_tw.model import Identity, Request

from .branches import Call
from .compiler import compile_policy
from .criteria import BUILT_IN
from .environment import Environment
from .evaluation import CRITERION_ERROR, Evaluation, Said, merged
from .inputs import INPUTS
from .interface import ICriterion
from .prepare import alone, prepare

MAX_UNKNOWN: Final = 6
"""Unknown criteria whose every answer is tried out; with more, what the policy comes to is not told."""

_COUNTED: Final[Mapping[tuple[str, bool | None], bool]] = {
    ("and", False): False,
    ("or", True): True,
    ("not", False): True,
    ("nor", True): False,
}
"""Of which criteria the reasons count, by operator and value; elsewhere of all (spec/ppl §2)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a criterion, an operator or a side says."""

    value: bool
    said: frozenset[Said]
    """Reasons and data."""
    failure: str = ""
    """What kept it from answering."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the tree and what it came to."""

    kind: str
    """``allow``, ``deny``, ``and``, ``or``, ``not``, ``nor`` or ``criterion``."""
    text: str
    """The part as the text notation writes it; of a rule or operator its word alone."""
    span: Span
    value: bool | None
    """None: it depends on what is not known, or could not be worked out."""
    reasons: frozenset[str] = frozenset()
    """Of a criterion that is known."""
    missing: tuple[str, ...] = ()
    """Inputs (names of ``INPUTS``) that this criterion reads and that are not known."""
    failure: str = ""
    """What kept this criterion from answering."""
    children: tuple[Node, ...] = ()

    @property
    def deciding(self) -> tuple[Node, ...]:
        """The criteria below that made this node what it is: those whose reasons count."""
        if self.kind == "criterion":
            return (self,)
        rule = self.kind in ACTIONS
        wanted = (True if self.value else None) if rule else _COUNTED.get((self.kind, self.value))
        counted = self.children if wanted is None else [one for one in self.children if one.value is wanted]
        return tuple(each for child in counted for each in child.deciding)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The tree of a policy for one request."""

    rules: tuple[Node, ...]
    """The rules as they were written, in order."""
    possible: tuple[Evaluation, ...]
    """What the policy comes to: one evaluation where everything is known, several where it may be any of
    them, none where there are too many to try."""

    def value(self, action: str) -> bool | None:
        """Of allow or deny as a whole."""
        return _any([rule.value for rule in self.rules if rule.kind == action])

    def deciding(self, action: str) -> tuple[Node, ...]:
        """The criteria whose reasons count on that side."""
        value = self.value(action)
        rules = [rule for rule in self.rules if rule.kind == action and (rule.value or not value)]
        return tuple(dict.fromkeys(each for rule in rules for each in rule.deciding))


class Explainer:
    """Explains one route's policies."""

    def __init__(
        self,
        policies: Sequence[Policy],
        criteria: Mapping[str, ICriterion] = BUILT_IN,
        environment: Environment = Environment(),  # noqa: B008 - immutable
        known: frozenset[str] = INPUTS,
    ) -> None:
        """``known``: the inputs, names of ``INPUTS``, that are really known of the requests to explain.

        Raises PolicyError as :func:`compile_policy` does.
        """
        self._rules = tuple(rule for policy in policies for rule in policy.rules)
        self._uses = [criterion for policy in policies for criterion in policy.criteria]
        self._criteria = criteria
        self._environment = environment
        self._known = known
        compile_policy(policies, criteria, environment)

    def explain(self, request: Request, identity: Identity) -> Explanation:
        """Every node for this request. Raises nothing: a criterion that fails has the value None."""
        missing = {id(each): self._missing(each) for each in self._uses}
        answers = {
            id(each): self._possible(each) if missing[id(each)] else (self._answer(each, request, identity),)
            for each in self._uses
        }
        rules = tuple(_rule(rule, answers, missing) for rule in self._rules)
        return Explanation(rules, tuple(self._evaluations(answers)))

    def _missing(self, criterion: Criterion) -> tuple[str, ...]:
        return tuple(sorted(prepare(criterion, self._criteria, self._environment).reads - self._known))

    def _possible(self, criterion: Criterion) -> tuple[Answer, ...]:
        branches = prepare(criterion, self._criteria, self._environment).branches
        answers = [Answer(each.value, frozenset({each.reason, *each.data})) for each in branches]
        if any(isinstance(each.when, Call) for each in branches):
            answers.append(Answer(False, frozenset({CRITERION_ERROR})))
        return tuple(dict.fromkeys(answers))

    def _answer(self, criterion: Criterion, request: Request, identity: Identity) -> Answer:
        failures: list[str] = []

        def failed(_criterion: Criterion | None, error: BaseException) -> None:
            failures.append(repr(error))

        compiled = compile_policy([alone(criterion)], self._criteria, self._environment, on_error=failed)
        found = compiled.evaluate(request, identity)
        said = found.allow_reasons | frozenset(found.allow_data.items())
        return Answer(found.allow, said, "".join(failures))

    def _evaluations(self, answers: Mapping[int, Sequence[Answer]]) -> Iterator[Evaluation]:
        """What the whole comes to, for every combination of what the unknown criteria may say."""
        if sum(len(each) > 1 for each in answers.values()) > MAX_UNKNOWN:
            return
        seen: set[tuple[Answer, Answer]] = set()
        for chosen in product(*answers.values()):
            said = dict(zip(answers, chosen, strict=True))
            allow, deny = (self._side(action, said) for action in ACTIONS)
            if (allow, deny) not in seen:
                seen.add((allow, deny))
                yield merged(allow.value, allow.said, deny.value, deny.said)

    def _side(self, action: str, said: Mapping[int, Answer]) -> Answer:
        operators = [
            _operate(operator.kind, [said[id(each)] for each in operator.criteria])
            for rule in self._rules
            if rule.action == action
            for operator in rule.operators
        ]
        if any(CRITERION_ERROR in each.said for each in said.values()):
            return Answer(action == "deny", frozenset({CRITERION_ERROR}))
        return _operate("or", operators)


def _rule(
    rule: Rule, answers: Mapping[int, Sequence[Answer]], missing: Mapping[int, tuple[str, ...]]
) -> Node:
    operators = []
    for operator in rule.operators:
        uses = [_use(each, answers[id(each)], missing[id(each)]) for each in operator.criteria]
        value = _value(operator.kind, [each.value for each in uses])
        operators.append(Node(operator.kind, operator.kind, operator.span, value, children=tuple(uses)))
    value = _any([each.value for each in operators])
    return Node(rule.action, rule.action, rule.span, value, children=tuple(operators))


def _use(criterion: Criterion, answers: Sequence[Answer], missing: tuple[str, ...]) -> Node:
    reasons = frozenset(each for each in answers[0].said if isinstance(each, str))
    values = {each.value for each in answers}
    value = values.pop() if len(values) == 1 and CRITERION_ERROR not in reasons else None
    said = frozenset() if missing else reasons
    failure = answers[0].failure
    return Node("criterion", _written(criterion), criterion.span, value, said, missing, failure)


def _written(criterion: Criterion) -> str:
    """The criterion as the text notation writes it, on one line."""
    bare = Criterion(criterion.name, criterion.sub_path, criterion.data)  # without its comments
    lines = to_text(alone(bare)).splitlines()
    return " ".join(line.strip() for line in lines[2:-2])


def _operate(kind: str, answers: Sequence[Answer]) -> Answer:
    value = _value(kind, [each.value for each in answers]) is True
    wanted = _COUNTED.get((kind, value))
    said = (each.said for each in answers if wanted is None or each.value is wanted)
    return Answer(value, frozenset[Said]().union(*said))


def _value(kind: str, values: Sequence[bool | None]) -> bool | None:
    if kind in ("and", "nor"):
        found = _any([None if value is None else not value for value in values])
        return found if kind == "nor" or found is None else not found
    found = _any(values)
    return found if kind == "or" or found is None else not found


def _any(values: Sequence[bool | None]) -> bool | None:
    if any(value is True for value in values):
        return True
    return None if any(value is None for value in values) else False
