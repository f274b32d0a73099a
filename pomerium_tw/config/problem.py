"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policy_grammar import Span

from .positions import KeyPath


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning of a configuration; ``str`` is ``file:line:column: message``."""

    span: Span
    message: str
    hint: str = ""
    """What to do next; may be empty."""
    excerpt: tuple[str, ...] = ()
    """The line of the file and a caret under the place, where they help."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, to be read by a person."""
        return (str(self), *self.excerpt, *((f"  {self.hint}",) if self.hint else ()))

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span.file else self.message


class ConfigError(Exception):
    """A configuration that cannot be used; :attr:`problems` holds every fault found, in file order."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DecodeError(ValueError):
    """A value that does not decode. Never carries the value itself: it may be a secret."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check over several keys found; ``path`` is relative to the mapping that was checked."""

    path: KeyPath
    message: str
    hint: str = ""
    warning: bool = False
    rests_on: tuple[KeyPath, ...] = ()
    """Other keys that it is true by: where one of them is at fault, nothing is said."""
