"""Examples and the manual's snippets are what they claim to be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy_grammar import parse_text
from pomerium_tw.config import load
from pomerium_tw.policy import compile_policy
from pomerium_tw.service import check

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"```\n((?:#[^\n]*\n)*policy \".*?)```", re.DOTALL)
POLICIES = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
    for path in TEXTS
    for number, block in enumerate(FENCED.findall(path.read_text()))
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_ready_to_run(path: Path) -> None:
    loaded = load(path, {})
    assert loaded.warnings == ()
    assert check(loaded).problems == ()


@pytest.mark.parametrize("text", POLICIES)
def test_policies_of_the_manual_compile(text: str) -> None:
    policies = parse_text(text, "manual")
    assert policies
    for policy in policies:
        compile_policy([policy])


def test_the_manual_has_policies() -> None:
    assert len(POLICIES) >= 4


def test_links_between_texts_lead_somewhere() -> None:
    texts = [*TEXTS, *ROOT.glob("*.md"), ROOT / "bench/README.md"]
    links = [
        (path, link) for path in texts for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    ]
    assert [f"{path.name}: {link}" for path, link in links if not (path.parent / link).exists()] == []
