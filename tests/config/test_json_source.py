"""JSON is taken by its word, and refused where two readers could take it in two ways."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from policy_grammar import Span
from pomerium_tw.config.environment import overlay
from pomerium_tw.config.json_source import read_json
from pomerium_tw.config.problem import ConfigError
from pomerium_tw.config.yaml_source import MAX_DEPTH, read_yaml


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_json(text, "f")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud83d"', "\\ud83d"),
        ('"a\x7fb"', "a\x7fb"),
        ('"\u2028 \x85"', "\u2028 \x85"),
        ('{"a"\n:\n1}', {"a": 1}),
        (f'{{"{"k" * 1100}": 1}}', {"k" * 1100: 1}),
        ('{"<<": {"b": 1}}', {"<<": {"b": 1}}),
        ('{"\\u0061\\"[": "}"}', {'a"[': "}"}),
        ("[1E2, -0.5, 123456789012345678901, true, null]", [100.0, -0.5, 123456789012345678901, True, None]),
        (" [ [] , {} ] ", [[], {}]),
        ("null", None),
    ],
)
def test_correct_json_is_read(text: str, value: Any) -> None:
    assert read_json(text, "f").data == value


def test_positions_are_those_of_keys_and_values() -> None:
    positions = read_json('{"a": [1,\n  {"b,": "]",\t"c"\n : 2}], "d": {}}', "f").positions
    assert positions.value(()) == Span("f", 1, 1)
    assert positions.key(("a",)) == Span("f", 1, 2)
    assert positions.value(("a", 0)) == Span("f", 1, 8)
    assert positions.key(("a", 1, "b,")) == Span("f", 2, 4)
    assert positions.value(("a", 1, "b,")) == Span("f", 2, 10)
    assert positions.value(("a", 1, "c")) == Span("f", 3, 4)
    assert positions.key(("d",)) == Span("f", 3, 9)


def test_positions_are_those_of_the_yaml_reader() -> None:
    data = {"a": [1, {"b": "x y", "c": [[], {}]}], "d": None, "e": {"f": 1.5}}
    for indent in (None, 2):
        text = json.dumps(data, indent=indent)
        ours, theirs = read_json(text, "f"), read_yaml(text, "f")
        assert ours.data == theirs.data
        for path in [(), ("a",), ("a", 1, "c", 1), ("a", 1, "b"), ("d",), ("e", "f")]:
            assert ours.positions.key(path) == theirs.positions.key(path)
            assert ours.positions.value(path) == theirs.positions.value(path)


def test_keys_that_stand_twice_are_refused_all_at_once() -> None:
    assert refusals('{"a": {"b": 1, "\\u0062": 2},\n "a": 3, "c": 4}') == [
        "f:1:16: the key 'b' stands here twice",
        "f:2:2: the key 'a' stands here twice",
    ]
    assert read_json('[{"a": 1}, {"a": {"a": 2}}]', "f").data == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": NaN}', "f:1:7: NaN is not a JSON value"),
        ("[1,\n-Infinity]", "f:2:1: -Infinity is not a JSON value"),
        ("[1e400]", "f:1:2: this number is too large"),
        (f"[{'9' * 310}]", "f:1:2: this number is too large"),
        (f"[-{'9' * 100_000}]", "f:1:2: this number is too large"),
        ('["\\ud83d"]', "f:1:2: half of a surrogate pair stands in this text"),
        ('{"\\ude00": 1}', "f:1:2: half of a surrogate pair stands in this text"),
        ("[" * 100_000, "f:1:1: the text is nested too deeply"),
        ('{"a": 1,}', "f:1:9: JSON syntax: Expecting property name enclosed in double quotes"),
        ('"a\x01"', "f:1:3: JSON syntax: Invalid control character at"),
    ],
)
def test_what_is_no_json_is_refused_in_place(text: str, problem: str) -> None:
    assert refusals(text) == [problem]


def test_nesting_and_values_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_json("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, "f").data
    deeper = MAX_DEPTH + 1
    assert refusals("[" * deeper + "1" + "]" * deeper) == [
        f"f:1:{deeper + 1}: nested deeper than {MAX_DEPTH} levels"
    ]
    monkeypatch.setattr("pomerium_tw.config.json_source.MAX_VALUES", 3)
    assert read_json("[1, 2]", "f").data == [1, 2]
    assert refusals("[1, 2, 3]") == ["f:1:8: more than 3 values in one text"]


def test_routes_of_the_environment_may_be_such_json() -> None:
    routes = [{"from": "https://a.example.com", "description": "\U0001f600"}]
    empty = read_json("{}", "f")
    written = base64.b64encode(json.dumps(routes).encode()).decode()
    assert overlay(empty, {"ROUTES": written}).data == {"routes": routes}
