"""Policies read and compiled for their faults: all of them, each with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from twisted.logger import Logger

from policy_grammar import NOWHERE, Criterion, Policy, PolicySyntaxError

from ..config import Problem, read_policy_file
from ..policy import STRICT, CompiledPolicy, Environment, ICriterion, compile_policy, prepare, surprises
from .criteria import installed_criteria

log = Logger("pomerium.policy")

_SECRET = re.compile(r"^.*(?:secret|key|token|password).*$", re.IGNORECASE | re.MULTILINE)


class PolicyCheck:
    """Gathers what is wrong instead of stopping at the first fault."""

    def __init__(self, environment: Environment, *, strict: bool) -> None:
        """``strict``: what policies mean that they do not seem to is an error (``strict_policy``)."""
        self.environment = environment
        installed = installed_criteria()
        self.criteria: Mapping[str, ICriterion] = {**installed.by_name, **(STRICT if strict else {})}
        self.problems: list[Problem] = []
        self.warnings = [Problem(NOWHERE, f"a plugin is not used: {each}") for each in installed.problems]
        self.unread = 0
        """Policy files that have faults."""
        self._surprising = self.problems if strict else self.warnings
        self._texts: dict[str, str] = {}

    def know(self, file: str, text: str) -> None:
        """The text of a configuration, to show lines of; those that may hold a secret are not."""
        self._texts[file] = _SECRET.sub("", text)

    def read(self, path: Path, text: str | None = None) -> tuple[Policy, ...]:
        """The policies of a file and of what it includes; none where there is a fault."""
        if text is not None:
            self._texts[str(path)] = text
        try:
            found = read_policy_file(path, text)
        except PolicySyntaxError as error:
            self.report(error)
            self.unread += 1
            return ()
        self._texts |= found.texts
        return found.policies

    def compile(self, policy: Policy) -> CompiledPolicy | None:
        """The policy, ready to decide; None where it has a fault."""
        faulty = [each for each in policy.criteria if not self._good(each)]
        if faulty:
            return None
        for each in surprises([policy], self.criteria, self.environment):
            self._add(self._surprising, PolicySyntaxError(each.message, each.span, each.hint))
        return compile_policy([policy], self.criteria, self.environment, on_error=_criterion_failed)

    def _good(self, criterion: Criterion) -> bool:
        try:
            prepare(criterion, self.criteria, self.environment)
        except PolicySyntaxError as error:
            self.report(error)
            return False
        return True

    def report(self, error: PolicySyntaxError) -> None:
        """Note a fault."""
        self._add(self.problems, error)

    def _add(self, problems: list[Problem], error: PolicySyntaxError) -> None:
        shown = error if error.source_line else error.with_source(self._texts.get(error.span.file, ""))
        problem = Problem(error.span, error.message, error.hint, shown.excerpt)
        # A policy that several routes name is looked at for each of them.
        if problem not in problems:
            problems.append(problem)


def _criterion_failed(criterion: Criterion | None, error: BaseException) -> None:
    name = criterion.name if criterion else "a policy"
    place = str(criterion.span) if criterion else ""
    log.error("criterion {name} failed and denies: {error!r} ({place})", name=name, error=error, place=place)
