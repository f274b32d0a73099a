"""How values with references are read."""

from __future__ import annotations

import time

import pytest

from pomerium_tw.model import Template


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$$", "$"),
        ("$$$a", "$<a>"),
        ("a$$$$b", "a$$b"),
        ("$a.b-c_d", "<a,b-c_d>"),
        ("$a.b.", "<a,b>."),
        ("$a b", "<a> b"),
        ('Bearer ${ a . b [ "c d" ] }!', "Bearer <a,b,c d>!"),
        ('${a["}"]}', "<a,}>"),
        ('${a["\\""]["\\\\"]}', '<a,",\\>'),
        ("${a}${b}", "<a><b>"),
        ("${a.b", "${a.b"),
        ("${}", "${}"),
        ("${.a}", "${.a}"),
        ("${a..b}", "${a..b}"),
        ("${a[b]}", "${a[b]}"),
        ('${a["b]}', '${a["b]}'),
        ('${["a"]}', '${["a"]}'),
        ("$", "$"),
        ("$.a $ {a}", "$.a $ {a}"),
        ("${${a}}", "${<a>}"),
    ],
)
def test_references_are_rendered_and_all_else_is_text(text: str, rendered: str) -> None:
    assert Template.parse(text).render(lambda names: f"<{','.join(names)}>") == rendered


def test_what_a_reference_stands_for_is_not_read_again() -> None:
    assert Template.parse("$a").render(lambda _names: "$a ${b} $$") == "$a ${b} $$"


@pytest.mark.parametrize("piece", ["${", '${a["', "${a.", "$", "${a ", '${a["\\'])
def test_nonsense_is_read_in_linear_time(piece: str) -> None:
    started = time.perf_counter()
    Template.parse(piece * 100_000)
    assert time.perf_counter() - started < 5
