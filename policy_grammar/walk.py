"""Going over a whole document: the addresses of its nodes, their comments, and putting comments on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .comments import NO_COMMENTS, Comments, Key
from .tree import Criterion, Document, Operator, Path, Policy, Rule

Inside = Mapping[Key, Comments]
"""Comments by the address of their node below the node in hand, whose own stand under ``()``.

The address of a policy is ``("policy", 0)``, of an include ``("include", 0)``; rules, operators and criteria
add their index to that of what they stand in, and the parts of a criterion's data their path.
"""

_Node = TypeVar("_Node", Policy, Rule, Operator)


def dressed(document: Document, comments: Inside) -> Document:
    """The document with comments put on its nodes."""
    if not comments:
        return document
    below = _split(comments)
    includes, policies = _split(below.get("include", {})), _split(below.get("policy", {}))
    return Document(
        tuple(
            replace(each, comments=includes[index][()]) if index in includes else each
            for index, each in enumerate(document.includes)
        ),
        tuple(_policy(each, policies.get(index)) for index, each in enumerate(document.policies)),
        comments.get((), NO_COMMENTS),
    )


def _policy(policy: Policy, inside: Inside | None) -> Policy:
    if not inside:
        return policy
    below = _split(inside)
    rules = tuple(_rule(rule, below.get(index)) for index, rule in enumerate(policy.rules))
    return replace(policy, rules=rules, comments=inside.get((), NO_COMMENTS))


def _rule(rule: Rule, inside: Inside | None) -> Rule:
    if not inside:
        return rule
    below = _split(inside)
    operators = tuple(_operator(each, below.get(index)) for index, each in enumerate(rule.operators))
    return replace(rule, operators=operators, comments=inside.get((), NO_COMMENTS))


def _operator(operator: Operator, inside: Inside | None) -> Operator:
    if not inside:
        return operator
    below = _split(inside)
    criteria = tuple(_criterion(each, below.get(index)) for index, each in enumerate(operator.criteria))
    return replace(operator, criteria=criteria, comments=inside.get((), NO_COMMENTS))


def _criterion(criterion: Criterion, inside: Inside | None) -> Criterion:
    if not inside:
        return criterion
    inner: Any = {path: each for path, each in inside.items() if path}
    return replace(criterion, comments=inside.get((), NO_COMMENTS), inner=inner)


def _split(comments: Inside) -> dict[Any, dict[Key, Comments]]:
    """The comments below a node, by the first step of their address."""
    below: dict[Any, dict[Key, Comments]] = {}
    for key, found in comments.items():
        if key:
            below.setdefault(key[0], {})[key[1:]] = found
    return below


def addresses(document: Document) -> Iterator[tuple[Key, Policy | Rule | Operator | Criterion]]:
    """Every policy, rule, operator and criterion with its address, parents first."""
    for number, policy in enumerate(document.policies):
        top: Key = ("policy", number)
        yield top, policy
        for index, rule in enumerate(policy.rules):
            yield (*top, index), rule
            for place, operator in enumerate(rule.operators):
                yield (*top, index, place), operator
                for order, criterion in enumerate(operator.criteria):
                    yield (*top, index, place, order), criterion


def comment_lines(document: Document) -> list[str]:
    """Every comment of a document, in the order in which both notations write them."""
    return [line for line in _in_document(document) if line]


def _in_document(document: Document) -> Iterator[str]:
    for include in document.includes:
        yield from _around(include.comments, ())
    for policy in document.policies:
        rules = (line for rule in policy.rules for line in _in_rule(rule))
        yield from _around(policy.comments, rules)
    yield from _around(document.comments, ())


def _in_rule(rule: Rule) -> Iterator[str]:
    operators = (line for operator in rule.operators for line in _in_operator(operator))
    return _around(rule.comments, operators)


def _in_operator(operator: Operator) -> Iterator[str]:
    criteria = (
        line
        for each in operator.criteria
        for line in _around(each.comments, _in_data(each, each.data, ()) if each.inner else ())
    )
    return _around(operator.comments, criteria)


def _in_data(criterion: Criterion, data: Any, path: Path) -> Iterator[str]:
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in members:
        here = (*path, step)
        yield from _around(criterion.inner.get(here, NO_COMMENTS), _in_data(criterion, value, here))


def _around(comments: Comments, inside: Iterable[str]) -> Iterator[str]:
    yield from comments.before
    yield comments.beside
    yield from inside
    yield from comments.last
    yield comments.after
