"""The tree as YAML: its layout, and scalars that every reader of YAML takes for the same."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from ruamel.yaml import YAML

from policy_grammar import (
    Criterion,
    Document,
    Operator,
    Policy,
    PolicySyntaxError,
    Rule,
    Span,
    parse_document,
    parse_document_data,
    to_data,
    to_document_data,
    to_yaml,
)
from pomerium_tw.config.yaml_source import read_yaml

from .commented import documents
from .trees import json_values


def with_data(data: Any) -> Document:
    criterion = Criterion("x", data=data, span=Span("t.ppl", 3, 5))
    return Document((), (Policy("", (Rule("allow", (Operator("or", (criterion,)),)),)),))


def without_halves(data: Any) -> bool:
    """No text in it holds half of a surrogate pair."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def same(one: Any, other: Any) -> bool:
    """Equal, 1 and 1.0 and true told apart."""
    return parse_document_data(with_shape(one)) == parse_document_data(with_shape(other))


def with_shape(data: Any) -> Any:
    return {"allow": {"or": [{"x": data}]}}


def read_by_all(text: str) -> list[Any]:
    """The data of a YAML text as readers of YAML 1.1, of YAML 1.2 and our own see it."""
    return [yaml.safe_load(text), YAML(typ="safe", pure=True).load(text), read_yaml(text, "t.yaml").data]


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "No",
        "on",
        "y",
        "012",
        "1e3",
        "1_000",
        "0x1F",
        "12:30:45",
        "~",
        "null",
        "NULL",
        "",
        " a",
        "a ",
        "a\tb",
        "2024-01-02",
        ".inf",
        "-.5",
        "=",
        "<<",
        "- a",
        "a: b",
        "a:",
        "# a",
        "a #b",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
        "'a'",
        '"a"',
        "[a]",
        "{a}",
        "a, b",
        "?",
        "? a",
        "|",
        ">",
        "---",
        "...",
        "a\nb",
        "\n",
        "a\r\nb",
        "\x00\x1b\x7f",
        "\x85\u2028\u2029",
        "\ufeff",
        "\ufffe\uffff",
        "😀",
        "é",
        "\u202e",
        "a b",
        "a  b",
        "/admin",
        "a@b.com",
        "x" * 5000,
        10**17,
        10**18,
        10**40,
        -(2**63),
        0,
        -1,
        0.5,
        1e16,
        1e-7,
        1e300,
        -0.0,
        5e-324,
        1.5,
        1e22,
        True,
        False,
        None,
    ],
)
def test_a_scalar_is_the_same_for_every_reader(value: Any) -> None:
    text = to_yaml(with_data(value))
    for data in read_by_all(text):
        found = data[0]["allow"]["or"][0]["x"]
        assert (found, type(found)) == (value, type(value))
        assert str(found) == str(value)


@settings(deadline=None)
@given(json_values.filter(without_halves))
def test_data_is_the_same_for_every_reader(value: Any) -> None:
    for data in read_by_all(to_yaml(with_data(value))):
        assert same(data[0]["allow"]["or"][0]["x"], value)


@pytest.mark.parametrize("length", [900, 1100, 5000])
def test_long_keys_are_read_back(length: int) -> None:
    data = {"k" * length: {"l" * length: ["a", {}]}}
    for found in read_by_all(to_yaml(with_data(data))):
        assert found[0]["allow"]["or"][0]["x"] == data


def test_half_of_a_surrogate_pair_is_refused_at_its_place() -> None:
    with pytest.raises(PolicySyntaxError, match=r"t\.ppl:3:5: half of a surrogate pair"):
        to_yaml(with_data({"is": ["\ud800"]}))


def test_the_layout_is_that_of_pomerium() -> None:
    text = """
    policy {
        # who may
        allow or {
            domain is "companydomain.com" # everybody
            claim/groups has "engineering"
            accept
        }
        deny { and { http_path starts_with "/admin"; email in ["a@x.com", "no"] } nor { reject } }
        allow {}
    }
    """
    assert to_yaml(parse_document(text, "t.ppl")) == dedent(
        """\
        # who may
        - allow:
            or:
              - domain: # everybody
                  is: companydomain.com
              - claim/groups:
                  has: engineering
              - accept: true
        - deny:
            and:
              - http_path:
                  starts_with: /admin
              - email:
                  in:
                    - a@x.com
                    - "no"
            nor:
              - reject: true
        - allow: {}
        """
    )


def test_names_and_includes_have_a_shape_of_their_own() -> None:
    text = """
    # company
    include "common.ppl" # shared
    include "b.yaml"
    # staff
    policy "employees" { allow or { accept }
      # end of it
    }
    policy {}
    # end of all
    """
    assert to_yaml(parse_document(text, "t.ppl")) == dedent(
        """\
        # company
        include:
          - common.ppl # shared
          - b.yaml

        # staff
        policies:
          - name: employees
            policy:
              - allow:
                  or:
                    - accept: true
            # end of it

          - policy: []
        # end of all
        """
    )


def test_a_document_of_nothing_is_written() -> None:
    assert to_yaml(Document()) == "policies: []\n"
    assert to_yaml(Document(policies=(Policy(),))) == "[]\n"


def test_brackets_with_comments_alone_take_several_lines() -> None:
    text = "policy {\n allow { # a\n # b\n }\n deny or { x [\n # c\n ] } }"
    assert to_yaml(parse_document(text, "t.ppl")) == dedent(
        """\
        - allow: { # a
            # b
            }
        - deny:
            or:
              - x: [
                  # c
                  ]
        """
    )


@settings(deadline=None)
@given(documents(commented=False))
def test_the_text_holds_what_the_data_holds(document: Document) -> None:
    if without_halves(to_document_data(document)):
        assert same(read_yaml(to_yaml(document), "t.yaml").data, to_document_data(document))


def test_data_of_a_plain_document_is_that_of_its_policy() -> None:
    document = with_data(1)
    assert to_document_data(document) == to_data(document.policies[0])
