"""YAML without the surprises of YAML 1.1 (threats PO-12)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from policy_grammar import Span
from pomerium_tw.config.document import Document
from pomerium_tw.config.problem import ConfigError
from pomerium_tw.config.yaml_source import (
    MAX_ALIASED,
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_TAG_DIRECTIVES,
    read_yaml,
)


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


@pytest.mark.parametrize("form", ["[{}]", "{{x: [{}]}}", "{{<<: [{}]}}", "{{<<: {{<<: [{}]}}}}"])
def test_an_alias_bomb_is_refused(form: str) -> None:
    """In a time that does not double with each line (PO-12)."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {form.format(f'*a{n - 1}, *a{n - 1}')}" for n in range(1, 20)]
    (problem,) = refusals("\n".join(lines))
    assert problem.endswith(f"the aliases stand for more than {MAX_ALIASED} values")


def test_what_aliases_stand_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pomerium_tw.config.yaml_source.MAX_ALIASED", 8)
    assert data("a: &a [x, y]\nb: &b [*a]\nc: *b")["c"] == [["x", "y"]]
    assert refusals("a: &a [x, y]\nb: &b [*a]\nc: [*b, *a]") == [
        "f:3:9: the aliases stand for more than 8 values"
    ]
    assert refusals("a: &a {x: y}\nb: [*a, *a, *a]") == ["f:2:13: the aliases stand for more than 8 values"]


def test_a_long_row_of_mappings_that_take_over_one_another_is_read() -> None:
    lines = ["a0: &a0 {k: v}", *(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 400))]
    assert data("\n".join(lines))["a399"] == {"k": "v"}


def test_the_first_to_name_a_key_wins_through_all_that_is_taken_over() -> None:
    text = "a: &a {x: a, y: a}\nb: &b {<<: *a, y: b}\nc: &c {x: c, z: c}\nd: {<<: [*b, *c, *a]}\n"
    assert data(text)["d"] == {"y": "b", "x": "a", "z": "c"}


def test_keys_of_what_is_taken_over_are_checked_where_they_stand() -> None:
    assert refusals("y:\n  <<: {k: 2, k: 3, 5: 6}\nz: {k: 1}\n") == [
        "f:2:14: the key 'k' stands here twice",
        "f:2:20: a key must be text",
    ]
    assert refusals("x: &x {k: 1, k: 2}\ny: {<<: *x}\nz: *x\n") == ["f:1:14: the key 'k' stands here twice"]


def test_a_second_merge_key_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml("x: &x {k: 1}\ny:\n  <<: *x\n  <<: {l: 2}\n", "f")
    (problem,) = caught.value.problems
    assert str(problem) == "f:4:3: the key '<<' stands here twice"
    assert problem.hint == "it stands on line 3 already: merge several by a list: <<: [*a, *b]"
    assert data('y: {<<: {k: 1}, "<<": 2}') == {"y": {"<<": 2, "k": 1}}


@pytest.mark.parametrize(("value", "column"), [("[1]", 6), ("x", 5), ("[{a: 1}, [{b: 1}]]", 14), ("", 4)])
def test_only_mappings_are_taken_over(value: str, column: int) -> None:
    assert refusals(f"<<: {value}") == [f"f:1:{column}: << takes a mapping or a list of mappings"]


@pytest.mark.parametrize("before", ["", "a: 1\n...\n"])
def test_many_tag_directives_are_refused(before: str) -> None:
    lines = "".join(f"%TAG !a{n}! t:x\n" for n in range(40_000))
    line = before.count("\n") + MAX_TAG_DIRECTIVES + 1
    started = time.process_time()
    assert refusals(f"{before}{lines}--- 1") == [
        f"f:{line}:1: more than {MAX_TAG_DIRECTIVES} %TAG lines in one text"
    ]
    assert time.process_time() - started < 1
    assert data("".join(lines.splitlines(keepends=True)[:MAX_TAG_DIRECTIVES]) + "--- {a: 1}") == {"a": 1}


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
