"""The engines, each asked as its own users ask it: one request at a time, from Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy
import regorus
import yaml

from bench.policy_languages import to_cedar, to_rego
from bench.policy_workload import Asked, users, values
from policy_grammar import Policy, parse_data, parse_text, to_data, to_text
from pomerium_tw.config import InlinePolicy, load
from pomerium_tw.model import Identity, Request
from pomerium_tw.policy import CompiledPolicy, compile_policy

Count = Callable[[Iterable[Any]], int]
"""Decides each of its items and says how many were allowed."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A row of the table."""

    key: str
    label: str
    prepare: Callable[[Policy], Count]
    """Loads a policy, once; what it gives runs on the clock."""
    items: Callable[[Sequence[Asked]], list[Any]]
    """What the caller has in hand before the clock starts."""
    fresh: bool = False
    """Items are made anew for each pass: nothing that an object remembers of an earlier one can help."""


def _pairs(asked: Sequence[Asked]) -> list[tuple[Request, Identity]]:
    return [values(each) for each in asked]


def _ours(policy: Policy) -> Count:
    evaluate = compile_policy([policy]).evaluate

    def count(pairs: Iterable[tuple[Request, Identity]]) -> int:
        allowed = 0
        for request, identity in pairs:
            found = evaluate(request, identity)
            if found.allow and not found.deny:
                allowed += 1
        return allowed

    return count


def _ours_from_data(policy: Policy) -> Count:
    evaluate = compile_policy([policy]).evaluate

    def count(asked: Iterable[Asked]) -> int:
        allowed = 0
        for each in asked:
            request, identity = values(each)
            found = evaluate(request, identity)
            if found.allow and not found.deny:
                allowed += 1
        return allowed

    return count


_NOBODY = {"id": "", "email": "", "claims": {"groups": [], "department": []}}
"""Cedar needs a principal: nobody is a user without anything."""


def _entity(user: Any) -> dict[str, Any]:
    return {
        "uid": {"type": "User", "id": user["id"]},
        "attrs": {"email": user["email"], "department": user["claims"]["department"]},
        "parents": [{"type": "Group", "id": group} for group in user["claims"]["groups"]],
    }


def _cedar_request(asked: Asked) -> dict[str, Any]:
    return {
        "principal": {"type": "User", "id": (asked["user"] or _NOBODY)["id"]},
        "action": {"type": "Action", "id": asked["method"]},
        "resource": {"type": "Route", "id": "app"},
        "context": {"path": asked["path"]},
    }


def _cedar_requests(asked: Sequence[Asked]) -> list[dict[str, Any]]:
    return [_cedar_request(each) for each in asked]


def _cedar_requests_with_users(asked: Sequence[Asked]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    return [(_cedar_request(each), [_entity(each["user"] or _NOBODY)]) for each in asked]


def _cedar(policy: Policy) -> Count:
    decide = cedarpy.is_authorized
    prepared = cedarpy.PolicySet.from_str(to_cedar(policy))
    known = cedarpy.Entities.from_json_str(json.dumps([_entity(user) for user in [*users(), _NOBODY]]))

    def count(requests: Iterable[dict[str, Any]]) -> int:
        allowed = 0
        for request in requests:
            if decide(request, prepared, known).allowed:
                allowed += 1
        return allowed

    return count


def _cedar_with_users(policy: Policy) -> Count:
    decide = cedarpy.is_authorized
    prepared = cedarpy.PolicySet.from_str(to_cedar(policy))

    def count(requests: Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]) -> int:
        allowed = 0
        for request, entities in requests:
            if decide(request, prepared, entities).allowed:
                allowed += 1
        return allowed

    return count


def _regorus(policy: Policy) -> Count:
    engine = regorus.Engine()
    text, lists = to_rego(policy)
    engine.add_policy("app.rego", text)
    engine.add_data(lists)

    def count(inputs: Iterable[Asked]) -> int:
        allowed = 0
        for each in inputs:
            engine.set_input(each)
            if engine.eval_rule("data.app.allow"):
                allowed += 1
        return allowed

    return count


OURS = (
    Engine("known", "pomerium_tw, callers known", _ours, _pairs),
    Engine("new", "pomerium_tw, callers new", _ours, _pairs, fresh=True),
    Engine("data", "pomerium_tw, from plain data", _ours_from_data, list),
)
CEDAR = (
    Engine("cedarpy", "cedarpy, users loaded before", _cedar, _cedar_requests),
    Engine("cedarpy_users", "cedarpy, user with each request", _cedar_with_users, _cedar_requests_with_users),
)
REGORUS = Engine("regorus", "regorus", _regorus, list)
ENGINES = (*OURS, *CEDAR, REGORUS)


def loaders(policy: Policy, folder: Path) -> dict[str, Callable[[], object]]:
    """Ways to make a policy ready for its first decision, by the label of their row."""
    text, data = to_text(policy), to_data(policy)
    file = folder / "config.yaml"
    route = {"from": "https://app.example.com", "to": "http://127.0.0.1:8000", "policy": data}
    secret = {"shared_secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
    file.write_text(yaml.safe_dump({**secret, "routes": [route]}, sort_keys=False))
    cedar, (rego, lists) = to_cedar(policy), to_rego(policy)

    def from_file() -> CompiledPolicy:
        inline = load(file, {}).settings.routes[0].policy
        assert isinstance(inline, InlinePolicy)
        return compile_policy([parse_data(inline.data)])

    def regorus_engine() -> regorus.Engine:
        engine = regorus.Engine()
        engine.add_policy("app.rego", rego)
        engine.add_data(lists)
        # It prepares what it parsed when it is first asked.
        engine.set_input({})
        engine.eval_rule("data.app.allow")
        return engine

    return {
        "pomerium_tw, `.ppl` text": lambda: compile_policy(parse_text(text, "large.ppl")),
        "pomerium_tw, data decoded from YAML or JSON": lambda: compile_policy([parse_data(data)]),
        "pomerium_tw, YAML configuration file with one route": from_file,
        "cedarpy, text": lambda: cedarpy.PolicySet.from_str(cedar),
        "regorus, text": regorus_engine,
    }
