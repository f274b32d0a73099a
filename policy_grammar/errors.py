"""The error a person sees when a policy cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from .span import Span, nearest

WINDOW: Final = 100
"""Characters of a source line that are shown at most; longer lines are cut around the caret."""


class PolicySyntaxError(ValueError):
    """A policy that does not follow the language: what is wrong, where, and what to write instead.

    ``str()`` of it is ``file:line:column: message``, then (when known) the source line, a caret and the hint.
    """

    def __init__(self, message: str, span: Span, hint: str = "", source_line: str = "") -> None:
        super().__init__(message, span, hint, source_line)
        self.message = message
        """What is wrong, one sentence without a full stop."""
        self.span = span
        """Where it stands."""
        self.hint = hint
        """What to do next, or ""."""
        self.source_line = source_line
        """The whole line that the span points into, or "" when the text is not at hand."""

    def with_source(self, text: str) -> Self:
        """The same error showing its line of ``text``, the content of the file that the span names."""
        lines = text.split("\n")
        line = lines[self.span.line - 1] if 0 < self.span.line <= len(lines) else ""
        return type(self)(self.message, self.span, self.hint, line)

    @property
    def excerpt(self) -> tuple[str, ...]:
        """The source line and a caret under the place; empty when the text is not at hand."""
        if not self.source_line.strip() or not self.span.column:
            return ()
        return tuple(_line_and_caret(self.source_line, self.span.column))

    def __str__(self) -> str:
        place = str(self.span)
        shown = [f"{place}: {self.message}" if place else self.message, *self.excerpt]
        if self.hint:
            shown.append(f"  {self.hint}")
        return "\n".join(shown)


def _line_and_caret(line: str, column: int) -> list[str]:
    start = max(0, min(column - 1 - WINDOW // 2, len(line) - WINDOW))
    part = line[start : start + WINDOW].rstrip()
    # Control characters could move the terminal's cursor, tabs would misplace the caret.
    plain = "".join(
        " " if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in part
    )
    return [f"  {plain}", "  " + " " * (column - 1 - start) + "^"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, else all of them."""
    words = list(known)
    close = nearest(word, words)
    return f"did you mean {close!r}?" if close else f"known here: {', '.join(words)}"
