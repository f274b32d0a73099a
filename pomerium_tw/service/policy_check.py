"""Policies read and compiled for their faults: all of them, each with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from twisted.logger import Logger

from policy_grammar import NOWHERE, Criterion, Policy, PolicySyntaxError, Rule

from ..config import Problem, read_policy_file
from ..policy import (
    STRICT,
    CompiledPolicy,
    Environment,
    ICriterion,
    asks_for_session,
    compile_policy,
    prepare,
    surprises,
)
from .criteria import installed_criteria

log = Logger("pomerium.policy")

_SECRET = re.compile(r"^.*(?:secret|key|token|password).*$", re.IGNORECASE | re.MULTILINE)


class PolicyCheck:
    """Gathers what is wrong instead of stopping at the first fault."""

    def __init__(self, environment: Environment, *, strict: bool) -> None:
        """``strict``: what policies mean that they do not seem to is an error (``strict_policy``)."""
        installed = installed_criteria()
        self.environment = environment
        self.criteria: Mapping[str, ICriterion] = {**installed.by_name, **(STRICT if strict else {})}
        self.unread = 0
        """Policy files that have faults."""
        # Dictionaries for their order: what several routes share is looked at for each, and told once.
        self._problems: dict[Problem, None] = {}
        self._warnings = {
            Problem(NOWHERE, f"a plugin is not used: {each}"): None for each in installed.problems
        }
        self._surprising = self._problems if strict else self._warnings
        self._lines: dict[str, list[str]] = {}
        self._files: dict[Path, tuple[Policy, ...]] = {}
        self._compiled: dict[tuple[int, ...], CompiledPolicy | None] = {}
        self._looked_at: dict[int, Rule] = {}
        """Rules by their id, which they keep for as long as they stand here."""
        self._asking: dict[tuple[int, ...], tuple[Sequence[Rule], bool]] = {}
        """By the ids of rules, which stay theirs since the rules stand here."""

    @property
    def problems(self) -> list[Problem]:
        return list(self._problems)

    @property
    def warnings(self) -> list[Problem]:
        return list(self._warnings)

    def know(self, file: str, text: str) -> None:
        """The text of a configuration, to show lines of; those that may hold a secret are not."""
        self._lines[file] = _SECRET.sub("", text).split("\n")

    def read(self, path: Path, text: str | None = None) -> tuple[Policy, ...]:
        """The policies of a file and of what it includes; none where there is a fault. Each is read once."""
        if path not in self._files:
            self._files[path] = self._read(path, text)
        return self._files[path]

    def _read(self, path: Path, text: str | None) -> tuple[Policy, ...]:
        try:
            found = read_policy_file(path, text)
        except PolicySyntaxError as error:
            self.report(error)
            self.unread += 1
            return ()
        self._lines |= {file: each.split("\n") for file, each in found.texts.items()}
        return found.policies

    def compile(self, policy: Policy) -> CompiledPolicy | None:
        """The policy, ready to decide; None where it has a fault. Policies of the same rules share one."""
        key = tuple(id(rule) for rule in policy.rules)
        if key not in self._compiled:
            self._compiled[key] = self._compile(policy)
        return self._compiled[key]

    def _compile(self, policy: Policy) -> CompiledPolicy | None:
        fresh = [rule for rule in policy.rules if id(rule) not in self._looked_at]
        self._looked_at |= {id(rule): rule for rule in fresh}
        faulty = [each for each in policy.criteria if not self._good(each)]
        if faulty:
            return None
        for each in surprises([replace(policy, rules=tuple(fresh))], self.criteria, self.environment):
            self.surprise(PolicySyntaxError(each.message, each.span, each.hint))
        return compile_policy([policy], self.criteria, self.environment, on_error=_criterion_failed)

    def _good(self, criterion: Criterion) -> bool:
        try:
            prepare(criterion, self.criteria, self.environment)
        except PolicySyntaxError as error:
            self.report(error)
            return False
        return True

    def asks_for_session(self, rules: Sequence[Rule]) -> bool:
        """Whether it is sure that none of these allow rules, which are without faults, holds without one."""
        key = tuple(id(rule) for rule in rules)
        if key not in self._asking:
            self._asking[key] = (rules, asks_for_session(rules, self.criteria, self.environment))
        return self._asking[key][1]

    def surprise(self, surprise: PolicySyntaxError) -> None:
        """Note what a policy means and does not seem to."""
        self._add(self._surprising, surprise)

    def report(self, error: PolicySyntaxError) -> None:
        """Note a fault."""
        self._add(self._problems, error)

    def _add(self, problems: dict[Problem, None], error: PolicySyntaxError) -> None:
        place, line = error.span, error.source_line
        lines = self._lines.get(place.file, [])
        if not line and 0 < place.line <= len(lines):
            line = lines[place.line - 1]
        excerpt = PolicySyntaxError(error.message, place, error.hint, line).excerpt
        problems[Problem(place, error.message, error.hint, excerpt)] = None


def _criterion_failed(criterion: Criterion | None, error: BaseException) -> None:
    name = criterion.name if criterion else "a policy"
    place = str(criterion.span) if criterion else ""
    log.error("criterion {name} failed and denies: {error!r} ({place})", name=name, error=error, place=place)
