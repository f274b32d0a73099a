"""The YAML notation of a policy as JSON Schema (draft 7), for editors (spec/ppl §1).

It accepts at least what loads. Where a key stands, an editor offers the words that may stand there, and
criteria say what data they take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from policy_grammar import ACTIONS, OPERATORS

from .interface import ICriterion

_POLICY: Final = "policy_policy"
_CRITERION: Final = "policy_criterion"
_RULES: Final = "policy_rules"

_ACTION_TEXTS: Final = {
    "allow": "Who is let in. Whoever no rule lets in stays outside.",
    "deny": "Who is kept out. It wins over allow.",
}
_OPERATOR_TEXTS: Final = {
    "and": "All of these hold.",
    "or": "At least one of these holds.",
    "not": "None of these holds.",
    "nor": "Not all of these hold.",
}
_NEED_SUB_PATH: Final = frozenset({"claim"})
"""Criteria that say nothing without ``/NAME``. All others ignore it."""

_SNIPPETS: Final = [
    {
        "label": "claim/NAME",
        "description": "A claim of the signed-in user",
        "body": {"claim/${1:groups}": {"has": "${2:engineering}"}},
    },
]
"""What editors offer for keys that have no fixed spelling."""


def policy_file_schema(criteria: Mapping[str, ICriterion]) -> dict[str, Any]:
    """The schema of a policy file: one policy, or several with their names and with includes."""
    policy = policy_schema(criteria)
    dialect, definitions = policy.pop("$schema"), policy.pop("definitions")
    entry = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What routes call it."},
            "policy": {"$ref": f"#/definitions/{_POLICY}"},
        },
        "required": ["policy"],
        "additionalProperties": False,
    }
    keys = {
        "include": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Other policy files whose policies count as well.",
        },
        "policies": {"type": "array", "items": entry, "description": "Policies with their names."},
    }
    return {
        "$schema": dialect,
        "title": "Policy file",
        "if": {"type": "object", "anyOf": [{"required": [key]} for key in keys]},
        "then": {"properties": keys, "additionalProperties": False},
        "else": {"$ref": f"#/definitions/{_POLICY}"},
        "definitions": {**definitions, _POLICY: policy},
    }


def policy_schema(criteria: Mapping[str, ICriterion]) -> dict[str, Any]:
    """The schema of one policy that may use these criteria; any other word is refused.

    Definitions have names that begin with ``policy_``: they may move to the definitions of a larger schema,
    where the references to them still hold.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Policy",
        "description": "Rules, or a list of rules: who is let in, and who is not.",
        **_rules(),
        "type": ["array", "object"],
        "items": {"$ref": f"#/definitions/{_RULES}"},
        "definitions": {_RULES: {"type": "object", **_rules()}, _CRITERION: _criterion(criteria)},
    }


def _rules() -> dict[str, Any]:
    return {
        "additionalProperties": False,
        "properties": {action: _rule(_ACTION_TEXTS[action]) for action in ACTIONS},
    }


def _rule(text: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        operator: {
            "description": _OPERATOR_TEXTS[operator],
            "type": "array",
            "items": {"$ref": f"#/definitions/{_CRITERION}"},
        }
        for operator in OPERATORS
    }
    # Pomerium's parser reads over this key, and so do we.
    properties["action"] = {"description": "Ignored.", "doNotSuggest": True}
    return {"description": text, "type": "object", "additionalProperties": False, "properties": properties}


def _criterion(criteria: Mapping[str, ICriterion]) -> dict[str, Any]:
    data = {name: _data(criterion) for name, criterion in sorted(criteria.items())}
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {name: schema for name, schema in data.items() if name not in _NEED_SUB_PATH},
        "patternProperties": {_with_sub_path(name): schema for name, schema in data.items()},
        "defaultSnippets": _SNIPPETS if "claim" in criteria else [],
    }


def _with_sub_path(name: str) -> str:
    """The pattern of keys ``NAME/…``."""
    return f"^{re.escape(name)}/" + (r"[\s\S]" if name in _NEED_SUB_PATH else "")


def _data(criterion: ICriterion) -> dict[str, Any]:
    """The schema of a criterion's data, a copy. A criterion that declares none takes any."""
    declared = json.dumps(getattr(criterion, "schema", {}), default=dict)  # read-only mappings are not JSON's
    return {**json.loads(declared), "description": criterion.accepts}
