"""A whole configuration as JSON Schema (draft 7), for editors: completion, help and faults while one types.

What a key is called, whether it is in force and what it means comes from the reference; what it takes, from
the models. The schema takes every configuration that loads. It sees one value at a time: what must hold
between keys, what files hold and what the environment adds is for ``config check`` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from pydantic import BaseModel

from pomerium_tw.telemetry import ACCESS_FIELDS, AUTHORIZE_FIELDS

from .reference import GLOBAL, ROUTE, Key, Status
from .route_settings import RouteSettings
from .settings import Settings
from .shapes import CLAIM_VALUES, PATH, UPSTREAM, Schema, any_case, nullable, shape_of
from .triage import ROUTE_LISTS

_NOTHING: Final[list[Any]] = [None, False, "", [], {}]
"""Values of a refused key that ask for nothing."""

_REQUIRED: Final = ("from",)

_ANSWERS: Final = ("to", "redirect", "response")
"""What may answer a route; one of them does."""

_EXAMPLES: Final[Mapping[str, list[str]]] = {
    "access_log_fields": sorted(ACCESS_FIELDS),
    "authorize_log_fields": sorted(AUTHORIZE_FIELDS),
}
"""Entries that editors offer in lists which take others too."""


def config_schema(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a configuration whose routes hold policies of the schema ``policy``.

    The definitions of ``policy`` become definitions of the whole. ValueError where one of them has a name
    that is taken: ``policy`` or ``route``.
    """
    definitions = dict(policy.get("definitions", {}))
    if taken := definitions.keys() & {"policy", "route"}:
        raise ValueError(f"the policy's schema has definitions of these names too: {sorted(taken)}")
    # Its own description would hide that of the route's key.
    left_out = {"$schema", "definitions", "description"}
    definitions["policy"] = nullable({name: policy[name] for name in policy if name not in left_out})
    definitions["route"] = {
        "type": "object",
        "required": [*_REQUIRED],
        "anyOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _ANSWERS],
        "additionalProperties": False,
        "properties": _properties(ROUTE, RouteSettings, "route key", _ROUTE_SHAPES),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pomerium_tw configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": _properties(GLOBAL, Settings, "key", dict.fromkeys(ROUTE_LISTS, _ROUTES)),
        "definitions": definitions,
    }


def _properties(
    table: Mapping[str, Key], model: type[BaseModel], what: str, shapes: Mapping[str, Schema]
) -> dict[str, Schema]:
    """The schema of each key of a level; ``shapes`` are those that the model's annotations do not tell."""
    kinds = get_type_hints(model, include_extras=True)
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    found: dict[str, Schema] = {}
    for name, key in table.items():
        if key.status not in {Status.BUILT, Status.OURS}:
            found[name] = _out_of_force(key, what)
            continue
        shape = shapes[name] if name in shapes else shape_of(kinds[names[name]])
        if name in _EXAMPLES:
            shape["items"] = {**shape["items"], "examples": _EXAMPLES[name]}
        required = model is RouteSettings and name in _REQUIRED
        found[name] = {"description": _text(key), **(shape if required else nullable(shape))}
    return found


def _text(key: Key) -> str:
    """What an editor shows of a key in force."""
    ours = " Pomerium does not have this key." if key.status is Status.OURS else ""
    default = f" Default: {key.default}." if key.default else ""
    return f"{key.text}{ours}\n\nValue: {key.type}.{default}"


def _out_of_force(key: Key, what: str) -> Schema:
    """A key that is removed, refused or ignored: never offered.

    A deprecation message is for removed keys alone: the language server of YAML shows one as an error, and
    a configuration with an ignored key is a good one.
    """
    if key.status is Status.REMOVED:
        message = f"The {what} {key.name} was removed. {key.text}"
        return {"description": message, "deprecationMessage": message, "not": {}}
    if key.status is Status.REFUSED:
        return _refused(key, what)
    if key.status is Status.FOREIGN:
        message = f"The {what} {key.name} has no effect: {key.text}"
    else:
        message = f"The {what} {key.name} is not built yet: ignored. {key.text}".rstrip()
    return {"description": message, "doNotSuggest": True}


def _refused(key: Key, what: str) -> Schema:
    """Only what asks for nothing may stand at a key that cannot be ignored."""
    message = f"The {what} {key.name} is not built yet, and ignoring it would open the door."
    found: Schema = {"description": f"{message} {key.text}", "doNotSuggest": True}
    nothing = {"enum": _NOTHING, "errorMessage": message}
    if not key.harmless:
        return {**found, **nothing}
    harmless = {
        "type": "string",
        "pattern": f"^(?:{any_case(sorted(key.harmless))})$",
        "errorMessage": message,
    }
    return {**found, "anyOf": [nothing, harmless]}


def _targets() -> Schema:
    """One upstream, or a list of them, in which lists may stand."""
    nested = {"type": ["array", "string"], "items": UPSTREAM, **_only_for_texts(UPSTREAM)}
    return {"type": ["array", "string"], "minItems": 1, "items": nested, **_only_for_texts(UPSTREAM)}


def _only_for_texts(schema: Schema) -> Schema:
    return {name: schema[name] for name in ("pattern", "patternErrorMessage")}


def _policy() -> Schema:
    """A policy, the file that holds it, or its name; told apart first: faults are then those of one kind."""
    file = {**PATH, "description": "A file of the text notation that this route alone names."}
    return {
        "type": ["array", "object", "string"],
        "properties": {"file": file},
        "if": {"type": "string"},
        "then": {"pattern": r"\S", "patternErrorMessage": "write the name of a policy"},
        "else": {
            "if": {"type": "object", "required": ["file"]},
            "then": {"additionalProperties": False, "properties": {"file": file}},
            "else": {"$ref": "#/definitions/policy"},
        },
    }


_ROUTES: Final[Schema] = {"type": "array", "items": {"$ref": "#/definitions/route"}}

_ROUTE_SHAPES: Final[Mapping[str, Schema]] = {
    "to": _targets(),
    "policy": _policy(),
    "allowed_idp_claims": {
        "type": ["object", "string"],
        "additionalProperties": CLAIM_VALUES,
    },
}
"""Shapes of keys whose decoder stands in the model of a route."""
