"""Sphinx directives that write the reference from the code: configuration keys, and every limit."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from pomerium_tw.config import reference

ROOT = Path(__file__).parent.parent
NO_LIMITS = frozenset(("STANDARD_OUTPUT", "REASONS", "MARKS"))
"""Documented numbers that bound nothing."""


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *escaped)]


def code(text: str) -> str:
    return f"`{text}`" if text else ""


class FromCode(Directive):
    """A directive whose body is Markdown made by :meth:`markdown`."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(StringList(self.markdown()), self.content_offset, container)
        return container.children

    @abstractmethod
    def markdown(self) -> list[str]:
        """Its lines."""


class KeyTable(FromCode):
    """``{keytable} GLOBAL|ROUTE STATUS``."""

    required_arguments = 2

    def markdown(self) -> list[str]:
        status = reference.Status[self.arguments[1]]
        keys = [key for key in getattr(reference, self.arguments[0]).values() if key.status is status]
        rows = [[code(key.name), key.type, code(key.default), key.text] for key in keys]
        return table(["key", "value", "default", "meaning"], rows)


def limits() -> Iterator[tuple[str, str, str, str]]:
    """Room, name, value and text of each documented number at module level."""
    paths = [*(ROOT / "pomerium_tw").rglob("*.py"), *(ROOT / "policy_grammar").rglob("*.py")]
    for path in sorted(paths):
        body = ast.parse(path.read_text()).body
        for statement, following in pairwise(body):
            assigned = isinstance(statement, ast.Assign)
            target = statement.targets[0] if assigned else getattr(statement, "target", None)
            value = getattr(statement, "value", None)
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            named = isinstance(target, ast.Name) and target.id.isupper() and target.id not in NO_LIMITS
            if not (named and is_number(value)) or target.id.startswith("_"):
                continue
            if target.id.startswith(("MAX_", "MOST_")) and not documented:
                raise ValueError(f"{path}:{statement.lineno}: {target.id} is a limit that nobody can look up")
            if documented:
                room = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                text = str(following.value.value)
                yield room, target.id, ast.unparse(value), " ".join(text.split())


def is_number(value: ast.expr | None) -> bool:
    if isinstance(value, ast.BinOp):
        return all(is_number(part) or is_limit(part) for part in (value.left, value.right))
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def is_limit(value: ast.expr) -> bool:
    """The name of another limit, inside a calculation."""
    return isinstance(value, ast.Name) and value.id.startswith("MAX_")


class LimitTable(FromCode):
    """``{limittable}``: every number that bounds something."""

    def markdown(self) -> list[str]:
        rows = [[f"`{name}`", f"`{value}`", text, f"`{room}`"] for room, name, value, text in limits()]
        return table(["limit", "value", "meaning", "where"], rows)


def setup(app: object) -> dict[str, bool]:
    app.add_directive("keytable", KeyTable)  # type: ignore[attr-defined]
    app.add_directive("limittable", LimitTable)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
