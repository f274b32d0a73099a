"""The rules of the house that import-linter cannot hold (docs/architecture.md)."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "pomerium_tw").rglob("*.py"), *(ROOT / "policy_grammar").rglob("*.py")])
LONGEST_MODULE = 400


def room_of(parts: tuple[str, ...]) -> str:
    """``pomerium_tw.proxy`` for anything in the proxy room."""
    return ".".join(parts[:2] if parts[0] == "pomerium_tw" else parts[:1])


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and absolute module of each import from one of our own packages."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            if module[0] in ("pomerium_tw", "policy_grammar"):
                yield node.lineno, module
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] in ("pomerium_tw", "policy_grammar"):
                    yield node.lineno, tuple(name.name.split("."))


def test_other_rooms_are_entered_by_their_face_alone() -> None:
    past = []
    for path in MODULES:
        own = room_of(path.relative_to(ROOT).with_suffix("").parts)
        for line, module in imports(path):
            if room_of(module) != own and ".".join(module) not in (room_of(module), "pomerium_tw"):
                past.append(f"{path.relative_to(ROOT)}:{line}: {'.'.join(module)}")
    assert not past


def test_a_module_is_one_idea() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_the_imports_of_a_module_are_found() -> None:
    found = {".".join(module) for _line, module in imports(ROOT / "pomerium_tw/proxy/steps.py")}
    assert {"pomerium_tw.pages", "pomerium_tw.proxy.router"} <= found


def possessive_groups(parsed: Any) -> Iterator[Any]:
    """Parts of a parsed pattern (as :mod:`re` has it) that repeat more than one character possessively."""
    for operation, arguments in parsed:
        if str(operation) == "POSSESSIVE_REPEAT" and (
            len(arguments[2]) > 1 or str(arguments[2][0][0]) not in ("IN", "LITERAL", "NOT_LITERAL", "ANY")
        ):
            yield arguments
        for argument in arguments if isinstance(arguments, tuple) else ():
            if isinstance(argument, re._parser.SubPattern):  # type: ignore[attr-defined]
                yield from possessive_groups(argument)
            elif isinstance(argument, list):
                for each in argument:
                    yield from possessive_groups(each)


def group_is_possessive(pattern: str | bytes, flags: int = 0) -> bool:
    return any(possessive_groups(re._parser.parse(pattern, flags)))  # type: ignore[attr-defined]


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5, Debian 12's among them, takes such for more than they are: ``a..`` for a host."""
    assert group_is_possessive(r"a(?:\.[a-z]++)*+") and group_is_possessive(r"(?:x|(?:ab)++c)")
    assert not group_is_possessive(r"[a-z]++(?:\.[a-z]++)*\.?+(?:b|c)")
    found = []
    for path in MODULES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        for variable, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and group_is_possessive(value.pattern, value.flags):
                found.append(f"{name}.{variable}")
    assert not found
