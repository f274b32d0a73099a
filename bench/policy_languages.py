"""One policy of ours in Cedar and in Rego, as people there would write it.

Where a language has several usual forms, the one that is fastest on its engine was taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from policy_grammar import Criterion, Operator, Policy, Rule


def to_cedar(policy: Policy) -> str:
    """The policy in Cedar: groups are parents of the user, methods are actions, the path is context."""
    return "\n".join(_cedar(rule.action, operator) for rule, operator in _operators(policy))


def _operators(policy: Policy) -> list[tuple[Rule, Operator]]:
    return [(rule, operator) for rule in policy.rules for operator in rule.operators]


def _cedar(action: str, operator: Operator) -> str:
    effect = {"allow": "permit", "deny": "forbid"}[action]
    scope = {"principal": "principal", "action": "action"}
    when: list[str] = []
    unless = ""
    for form, operands in _gathered(operator):
        # What every criterion of the rule requires of caller and method stands in the policy's head.
        if operator.kind == "and" and form == ("claim/groups", "has"):
            scope["principal"] = f'principal in Group::"{operands[0]}"'
        elif operator.kind == "and" and form == ("http_method", "in"):
            scope["action"] = f"action in [{_uids('Action', operands)}]"
        elif form == ("claim/groups", "exclude"):
            unless = f' unless {{ principal in Group::"{operands[0]}" }}'
        else:
            when.append(_CEDAR[form](operands))
    conditions = {"and": " && ", "or": " || "}[operator.kind].join(when)
    body = f" when {{ {conditions} }}" if when else ""
    return f"{effect} ({scope['principal']}, {scope['action']}, resource){body}{unless};"


def _uids(kind: str, ids: Sequence[str]) -> str:
    return ", ".join(f'{kind}::"{each}"' for each in ids)


_CEDAR: Final[Mapping[tuple[str, str], Callable[[Sequence[str]], str]]] = {
    ("domain", "is"): lambda names: " || ".join(f'principal.email like "*@{name}"' for name in names),
    ("email", "is"): lambda emails: (
        f"{json.dumps(emails)}.contains(principal.email)"
        if len(emails) > 1
        else f'principal.email == "{emails[0]}"'
    ),
    ("user", "is"): lambda ids: (
        f"[{_uids('User', ids)}].contains(principal)"
        if len(ids) > 1
        else f"principal == {_uids('User', ids)}"
    ),
    ("claim/groups", "has"): lambda groups: " || ".join(f'principal in Group::"{each}"' for each in groups),
    ("claim/department", "has"): lambda names: f'principal.department.contains("{names[0]}")',
    ("http_path", "starts_with"): lambda paths: f'context.path like "{paths[0]}*"',
    ("http_method", "is"): lambda methods: f'action == Action::"{methods[0]}"',
}


def to_rego(policy: Policy) -> tuple[str, dict[str, Any]]:
    """The policy in Rego, asked by ``data.app.allow``, and the lists that it looks up in ``data``."""
    lists: dict[str, Any] = {}
    bodies = [
        (rule.action, body) for rule, operator in _operators(policy) for body in _rego_bodies(operator, lists)
    ]
    if any(action == "deny" for action, _body in bodies):
        # At the end of each rule: regorus takes a tenth longer where one rule combines the two.
        bodies = [(action, f"{body}\n\tnot deny" if action == "allow" else body) for action, body in bodies]
    rules = [f"{action} if {{\n\t{body}\n}}" for action, body in bodies]
    return "\n\n".join(["package app\n\nimport rego.v1\n\ndefault allow := false", *rules, ""]), lists


def _rego_bodies(operator: Operator, lists: dict[str, Any]) -> list[str]:
    """Alternatives are several rules of one name; conditions that hold together are lines of one."""
    lines: list[str] = []
    for form, operands in _gathered(operator):
        if form in (("email", "is"), ("user", "is")) and len(operands) > 1:
            name = f"{form[0]}s_{len(lists)}"
            lists[name] = operands
            lines.append(f"input.user.{_FIELDS[form[0]]} in data.{name}")
        elif operator.kind == "or":
            lines += [_rego(form, [operand]) for operand in operands]
        else:
            lines.append(_rego(form, operands))
    return lines if operator.kind == "or" else ["\n\t".join(lines)]


_FIELDS: Final = {"email": "email", "user": "id"}


def _rego(form: tuple[str, str], operands: Sequence[str]) -> str:
    first = operands[0]
    written = {
        ("domain", "is"): f'endswith(input.user.email, "@{first}")',
        ("email", "is"): f'input.user.email == "{first}"',
        ("user", "is"): f'input.user.id == "{first}"',
        ("claim/groups", "has"): f'"{first}" in input.user.claims.groups',
        ("claim/groups", "exclude"): f'not "{first}" in input.user.claims.groups',
        ("claim/department", "has"): f'"{first}" in input.user.claims.department',
        ("http_path", "starts_with"): f'startswith(input.path, "{first}")',
        ("http_method", "is"): f'input.method == "{first}"',
        ("http_method", "in"): f"input.method in {json.dumps(operands)}",
    }
    return written[form]


def _gathered(operator: Operator) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """(criterion, matcher) with its operands: alternatives of one form are one list in Cedar and Rego."""
    forms: dict[tuple[str, str], list[str]] = {}
    for criterion in operator.criteria:
        form, operands = _form(criterion)
        if operator.kind == "and" and form in forms:
            raise ValueError(f"two criteria of one form in one and: {form}")
        forms.setdefault(form, []).extend(operands)
    yield from forms.items()


def _form(criterion: Criterion) -> tuple[tuple[str, str], list[str]]:
    if isinstance(criterion.data, str):
        return (criterion.key, "is"), [criterion.data]
    [(matcher, operand)] = criterion.data.items()
    return (criterion.key, matcher), operand if isinstance(operand, list) else [operand]
