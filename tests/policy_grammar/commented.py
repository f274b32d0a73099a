"""Comments for random trees: on the nodes, and sprinkled over texts."""

from __future__ import annotations

import random
import re
from typing import Any

from hypothesis import strategies as st

from policy_grammar import Comments, Criterion, Document, Include, Operator, Policy, Rule
from tests.policy_grammar.trees import policies

PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|[\n;,\[\]{}]')
bodies = st.sampled_from(["# a", "#b", '# "quoted" {', "#", "# - x: y #", "# é", "#!c"])


def comments() -> st.SearchStrategy[Comments]:
    some = st.lists(st.one_of(bodies, st.just("")), max_size=2).map(_no_blank_ends)
    one = st.one_of(st.just(""), bodies)
    whole = st.builds(Comments, some.map(tuple), one, some.map(tuple), one)
    return st.one_of(st.just(Comments()), st.just(Comments()), whole)


def _no_blank_ends(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return [line for line in lines if line]


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of all parts inside the data."""
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = []
    for step, value in members:
        found += [(*path, step), *paths(value, (*path, step))]
    return found


@st.composite
def documents(
    draw: st.DrawFn, names: st.SearchStrategy[str] | None = None, commented: bool = True
) -> Document:
    """A document with includes, several policies and, where wished, comments on any of its nodes."""

    def said() -> Comments:
        return draw(comments()) if commented else Comments()

    def criterion(one: Criterion) -> Criterion:
        inner = {path: found for path in paths(one.data) if (found := said())}
        return Criterion(one.name, one.sub_path, one.data, comments=said(), inner=inner)

    def operator(one: Operator) -> Operator:
        return Operator(one.kind, tuple(criterion(each) for each in one.criteria), comments=said())

    def rule(one: Rule) -> Rule:
        return Rule(one.action, tuple(operator(each) for each in one.operators), comments=said())

    found = draw(st.lists(policies(), max_size=2, unique_by=lambda policy: policy.name))
    tree = tuple(Policy(each.name, tuple(map(rule, each.rules)), comments=said()) for each in found)
    written = st.sampled_from(["a.ppl", "../b c.yaml", "é/#.ppl"])
    includes = draw(st.lists(st.builds(Include, written), max_size=2))
    last = draw(st.lists(bodies, max_size=2)) if commented else []
    return Document(
        tuple(Include(each.path, comments=said()) for each in includes), tree, Comments(last=tuple(last))
    )


def sprinkled(text: str, seed: int) -> tuple[str, list[str]]:
    """A ``.ppl`` text with comments put in wherever a line may end, and these comments."""
    chance, put = random.Random(seed), []  # noqa: S311 (no secret)
    lines_of, brackets, done = [], [], 0

    def comment() -> str:
        put.append(chance.choice(["# one", "#two", '# "three', "# {", "#"]))
        return f"{chance.choice(['', ' ', chr(9)])}{put[-1]}{chance.choice(['', ' ', chr(13)])}\n"

    for match in PIECE.finditer(text):
        lines_of.append(text[done : match.start()])
        done = match.end()
        piece = match.group()
        if piece in "[{":
            brackets.append(piece)
        if piece in "]}":
            brackets.pop()
        # Before a line end or a separator, after an opening bracket, and anywhere in a list.
        free = piece in "\n;[{," or (brackets and brackets[-1] == "[")
        if not free or chance.random() < 0.5:
            lines_of.append(piece)
        elif piece == "\n":
            lines_of.append(comment() + "".join(f" {comment()}" for _ in range(chance.randrange(3))))
        else:
            lines_of.append(piece + comment() + ("\n" if chance.random() < 0.3 else ""))
    lines_of.append(text[done:] + (comment().rstrip("\n") if chance.random() < 0.5 else ""))
    return "".join(lines_of), put
