"""YAML without the surprises of YAML 1.1 (threats PO-12)."""

from __future__ import annotations

from typing import Any

import pytest

from policy_grammar import Span
from pomerium_tw.config.document import Document
from pomerium_tw.config.problem import ConfigError
from pomerium_tw.config.yaml_source import MAX_ALIASES, MAX_DEPTH, read_yaml


def data(text: str) -> Any:
    return read_yaml(text, "f").data


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "f")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-02", "2024-01-02"),
        (".inf", ".inf"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("=", "="),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("1.5", 1.5),
        ("2e3", 2000.0),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!float 12", 12.0),
        ("!!int 12345678901234567890123", 12345678901234567890123),
        ("!!float 1.0e+300", 1e300),
    ],
)
def test_only_plain_words_of_four_kinds_are_typed(written: str, value: Any) -> None:
    found = data(f"key: {written}")["key"]
    assert (found, type(found)) == (value, type(value))


def test_positions_are_those_of_keys_and_values() -> None:
    positions = read_yaml("é: {ü: 1, b: [x,  y]}\nroutes:\n  - from: z\n", "f").positions
    assert positions.key(("é", "ü")) == Span("f", 1, 5)
    assert positions.value(("é", "ü")) == Span("f", 1, 8)
    assert positions.value(("é", "b", 1)) == Span("f", 1, 19)
    assert positions.key(("routes", 0, "from")) == Span("f", 3, 5)
    assert positions.value(("routes", 0, "from")) == Span("f", 3, 11)


def test_an_unrecorded_path_stands_where_its_ancestor_stands() -> None:
    positions = read_yaml("a: {b: text}\n", "f").positions
    assert positions.value(("a", "b", "c", 3)) == Span("f", 1, 8)
    assert positions.value(("nothing",)) == Span("f", 1, 1)


def test_an_empty_text_is_an_empty_mapping() -> None:
    assert data("# nothing\n") == {}


def test_duplicate_keys_are_refused_all_at_once() -> None:
    assert refusals("a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        "f:2:11: the key 'c' stands here twice",
        "f:3:1: the key 'a' stands here twice",
    ]


@pytest.mark.parametrize("key", ["1", "true", "~", "1.5", "[a]", "{a: 1}"])
def test_keys_that_are_not_text_are_refused(key: str) -> None:
    assert refusals(f"ok: 1\n? {key}\n: 2\n") == ["f:2:3: a key must be text"]


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [ls]", "!secret x", "!!binary aGk=", "!!timestamp 2024-01-01"]
)
def test_tags_are_refused(value: str) -> None:
    (problem,) = refusals(f"a:\n  b: {value}\n")
    assert problem.startswith("f:2:6: the tag ")


def test_a_value_must_fit_its_tag() -> None:
    assert refusals("a: !!int no") == ["f:1:4: the value does not fit its tag tag:yaml.org,2002:int"]


def test_tabs_in_indentation_are_refused_in_place() -> None:
    (problem,) = refusals("a:\n\tb: 1\n")
    assert problem.startswith("f:2:1: YAML syntax: ")


def test_a_control_character_is_refused_in_place() -> None:
    assert refusals("a: 1\nb: x\x01\n") == ["f:2:5: a control character stands in the text"]


def test_a_second_document_is_refused() -> None:
    assert refusals("a: 1\n---\nb: 2\n") == ["f:2:1: a second YAML document begins here"]


def test_an_alias_is_the_value_it_names() -> None:
    document = read_yaml("base: &b {x: 1}\ncopy: *b\n", "f")
    assert document.data == {"base": {"x": 1}, "copy": {"x": 1}}
    assert document.positions.value(("copy",)) == Span("f", 2, 7)
    assert document.positions.value(("copy", "x")) == Span("f", 1, 14)


def test_merge_keys_take_over_what_is_not_said() -> None:
    document = read_yaml("d: &d {x: 1, y: 2}\ne: &e {y: 3, z: 4}\nr: {y: 0, <<: [*d, *e]}\n", "f")
    assert document.data["r"] == {"y": 0, "x": 1, "z": 4}
    assert document.positions.value(("r", "z")) == Span("f", 2, 17)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert data('r: {"<<": 1}') == {"r": {"<<": 1}}


def test_an_alias_inside_what_it_names_is_refused() -> None:
    assert refusals("a: &a [*a]") == ["f:1:8: the alias *a stands inside what it names"]


def test_an_unknown_alias_is_refused() -> None:
    assert refusals("a: *b") == ["f:1:4: no anchor &b stands before this alias"]


def test_more_aliases_than_the_limit_are_refused() -> None:
    uses = ", ".join(["*a"] * (MAX_ALIASES + 1))
    assert f"more than {MAX_ALIASES} aliases" in refusals(f"a: &a x\nb: [{uses}]")[0]
    within = ", ".join(["*a"] * MAX_ALIASES)
    assert len(data(f"a: &a x\nb: [{within}]")["b"]) == MAX_ALIASES


def test_an_alias_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pomerium_tw.config.yaml_source.MAX_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "once aliases are expanded" in refusals("\n".join(lines))[0]


def test_too_many_values_are_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pomerium_tw.config.yaml_source.MAX_VALUES", 100)
    assert refusals("[" + "1," * 200 + "]") == ["f:1:200: more than 100 values in one text"]


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper than" in refusals("[" * 100_000)[0]
    assert data("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert "nested deeper than" in refusals("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))[0]


def test_aliases_cannot_nest_deeper_than_text() -> None:
    half = MAX_DEPTH // 2 + 5
    chain = "a: &a " + "[" * half + "]" * half + "\nb: " + "[" * half + "*a" + "]" * half
    assert "nested deeper than" in refusals(chain)[0]


def test_the_document_says_where_syntax_breaks() -> None:
    assert refusals("a: 1\nb: [1, 2\nc: 3\n")[0].startswith("f:3:2: YAML syntax: ")


def test_a_document_is_plain_data() -> None:
    assert isinstance(read_yaml("a: 1", "f"), Document)
