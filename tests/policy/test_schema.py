"""The schema of policies takes what loads, and refuses what a schema can see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from jsonschema import Draft7Validator
from zope.interface import implementer

from policy_grammar import Criterion, PolicySyntaxError, parse_data
from pomerium_tw.policy import BUILT_IN, Branch, ICriterion, compile_policy, policy_file_schema, policy_schema

Case = dict[str, Any]

ROOT = Path(__file__).parent.parent
CASES: list[Case] = [
    json.loads(line) for line in (ROOT / "conformance/ppl-cases.jsonl").read_text("utf-8").splitlines()
]
SCHEMA = policy_schema(BUILT_IN)
VALIDATOR = Draft7Validator(SCHEMA)

UNSEEN = {
    "source-ip-bad": "an address in a text",
    "source-ip-bad-mask": "the mask of a network",
    "ssh-key-bad": "a key in a text",
}
"""Cases that do not load and that the schema lets pass: what it would have to read."""

POOL: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, "", "a", "5", "mon", "mon,wed", "tue-fri", "*", "10.0.0.0/8", "::1",
    "2024-01-02", "2024-01-02T03:04:05Z", "15:04", "3 PM", "3:04 pm", "3PM", "15:04:05.123456789",
    "2024-01-02 03:04:05", "2024-01-02T03:04:05.5+01:00", "Monday", " mon , Tuesday-FRI ", [], [""], ["a"],
    ["a", "b"], [1], [None], ["10.0.0.1"], "192.168.1.1/24", "::ffff:1.2.3.4", " 10.0.0.1 ",
    "10.0.0.0/255.0.0.0", "fe80::1%eth0", [["a"]], {}, {"nonsense": 1},
    "DF:6F:F7:2F:E9:11:65:21:26:8F:6F:2D:D4:96:6F:51:DF:47:98:83:FE:70:37:B3:9F:75:91:6A:C3:04:9D:1A",
    "df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a",
    "NsiFMEDRNcYxMF8nyLtnjnJ5sKPyZzhLgfqHfIZyUZM=", "Europe/Berlin", "UTC",
]  # fmt: skip
"""Data of all kinds."""


def loads(data: Any) -> bool:
    try:
        compile_policy([parse_data(data)])
    except PolicySyntaxError:
        return False
    return True


def written(case: Case) -> Any:
    return case["ppl"] if case.get("ppl") is not None else case.get("config", {}).get("policy")


def refused_at(data: Any) -> list[str]:
    return sorted(error.json_path for error in VALIDATOR.iter_errors(data))


def policy(criterion: Any) -> Any:
    return [{"allow": {"or": [criterion]}}]


def cases(*, load: bool) -> list[Any]:
    mine = [case for case in CASES if case["kind"] in ("parse", "policy")]
    given = [case for case in mine if case["kind"] == "parse" or written(case) is not None]
    return [pytest.param(case, id=case["id"]) for case in given if loads(written(case)) is load]


def test_it_is_a_schema_that_json_can_carry() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_definitions_may_move_into_a_larger_schema() -> None:
    assert all(name.startswith("policy_") for name in SCHEMA["definitions"])


@pytest.mark.parametrize("case", cases(load=True))
def test_what_loads_is_taken(case: Case) -> None:
    assert refused_at(written(case)) == []


@pytest.mark.parametrize("case", cases(load=False))
def test_what_does_not_load_is_refused_but_for_what_is_listed(case: Case) -> None:
    """A case that gets refused after all must leave the list, too."""
    assert bool(refused_at(written(case))) is (case["id"] not in UNSEEN)


def test_the_cases_are_many() -> None:
    assert len(cases(load=True)) > 100
    assert len(cases(load=False)) > 30


def test_every_criterion_says_what_it_accepts() -> None:
    criterion = SCHEMA["definitions"]["policy_criterion"]
    for name, each in BUILT_IN.items():
        found = [
            schema
            for key, schema in (*criterion["properties"].items(), *criterion["patternProperties"].items())
            if key == name or key.startswith(f"^{name}/")
        ]
        assert found, name
        assert {schema["description"] for schema in found} == {each.accepts}


def data_of(name: str) -> Iterator[Any]:
    """All kinds of data, and each as the operand of every word that the criterion's schema knows."""
    yield from POOL
    words = {"is", "has", "in"}
    pending: list[Any] = [BUILT_IN[name].schema]
    while pending:
        each = pending.pop()
        if isinstance(each, dict | MappingProxyType):
            words |= set(each.get("properties", {}))
            pending.extend(each.values())
        elif isinstance(each, list | tuple):
            pending.extend(each)
    for word in sorted(words):
        for operand in POOL:
            yield {word: operand}
            yield {"type": "t", "field": "f", word: operand}
            yield {"timezone": "UTC", word: operand}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_data_that_a_criterion_takes_is_never_refused(name: str) -> None:
    taken = 0
    for data in data_of(name):
        sub_path = "x" if name == "claim" else ""
        criterion = Criterion(name, sub_path, data)
        try:
            BUILT_IN[name].prepare(criterion)
        except PolicySyntaxError:
            continue
        taken += 1
        assert refused_at(policy({criterion.key: data})) == [], data
    assert taken


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([{"alow": {}}], "$[0]"),
        ([{"allow": {"xor": []}}], "$[0].allow"),
        ([{"allow": {"AND": []}}], "$[0].allow"),
        ([{"allow": {"and": {"accept": True}}}], "$[0].allow.and"),
        (policy("accept"), "$[0].allow.or[0]"),
        (policy({"emial": "a"}), "$[0].allow.or[0]"),
        (policy({"accept": True, "reject": True}), "$[0].allow.or[0]"),
        (policy({}), "$[0].allow.or[0]"),
        (policy({"or": [{"accept": True}]}), "$[0].allow.or[0]"),
        (policy({"email": {"iss": "a"}}), "$[0].allow.or[0].email"),
        (policy({"email": 5}), "$[0].allow.or[0].email"),
        (policy({"claim/x": {"has": ["a"]}}), "$[0].allow.or[0]['claim/x']"),
        ({"allow": []}, "$.allow"),
        ("allow", "$"),
        ([[]], "$[0]"),
    ],
)
def test_a_mistake_is_refused_where_it_stands(data: Any, path: str) -> None:
    assert path in refused_at(data)
    assert not loads(data)


@pytest.mark.parametrize("key", ["claim", "claim/"])
def test_claim_without_a_name_is_refused(key: str) -> None:
    assert refused_at(policy({key: "a"})) == ["$[0].allow.or[0]"]
    assert refused_at(policy({"claim/example.com/key": "a"})) == []


def test_what_the_parser_reads_over_is_taken() -> None:
    data = [{"allow": {"action": 1, "or": [{"accept/anything": True}]}}]
    assert loads(data)
    assert refused_at(data) == []


def test_the_words_of_plugins_are_known() -> None:
    @implementer(ICriterion)
    class Weekend:
        name = "weekend"
        accepts = "whether it is one"
        schema = MappingProxyType({"anyOf": ({"type": "boolean"}, MappingProxyType({"const": "maybe"}))})
        reads = frozenset({"time"})

        def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
            return (Branch(None, True, "weekend"),)

    found = policy_schema({**BUILT_IN, "weekend": Weekend()})
    validator = Draft7Validator(json.loads(json.dumps(found)))
    assert validator.is_valid(policy({"weekend": True}))
    assert validator.is_valid(policy({"weekend": "maybe"}))
    assert not validator.is_valid(policy({"weekend": 1}))
    assert refused_at(policy({"weekend": True}))


def test_a_plugin_without_a_schema_takes_any_data() -> None:
    class Old:
        name, accepts, reads = "old", "anything", frozenset[str]()

    validator = Draft7Validator(policy_schema({"old": Old()}))  # type: ignore[dict-item]
    assert validator.is_valid(policy({"old": [1]}))
    assert not validator.is_valid(policy({"claim/x": 1}))


@pytest.mark.parametrize(
    ("written", "good"),
    [
        ([{"allow": {"or": [{"accept": True}]}}], True),
        ({"allow": {"or": [{"accept": True}]}}, True),
        (
            {
                "include": ["a.ppl"],
                "policies": [{"name": "a", "policy": [{"deny": {"or": [{"reject": 1}]}}]}],
            },
            True,
        ),
        ({"policies": [{"policy": []}]}, True),
        ({"policies": [{"name": "a"}]}, False),
        ({"policies": [{"name": "a", "policy": [{"alow": {}}]}]}, False),
        ({"include": "a.ppl"}, False),
        ({"include": [], "allow": {}}, False),
        ({"alow": {}}, False),
    ],
)
def test_a_policy_file_holds_one_policy_or_several(written: Any, good: bool) -> None:
    assert Draft7Validator(policy_file_schema(BUILT_IN)).is_valid(written) is good
