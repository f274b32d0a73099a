"""A kind of log line as one generated function.

A call for each field costs more than what it does, and there are two lines to a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Remember = Callable[[tuple[str, ...]], Callable[..., str]]
"""Field names → a function of the line's facts that gives their text, and remembers it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What every line of one kind has in common."""

    parameters: str
    """Of the generated function."""
    facts: str
    """Assignments that take the parameters apart, for the fields to use."""
    start: str
    """What stands before the fields: inside of an f-string."""
    moving: Mapping[str, str]
    """Field → inside of an f-string, led by a comma."""
    standing: Mapping[str, Any]
    """Fields of which neighbours become one call of what ``remember`` makes of them."""
    remember: Remember
    remembered_by: str
    """The arguments of that call."""
    names: Mapping[str, object]
    """What the f-strings use besides."""

    def compile(self, chosen: Iterable[str], end: str) -> Callable[..., str]:
        """A function giving the whole line with the chosen fields; those that are not known are left out.

        ``end``: what stands behind the fields. What is compiled comes from these tables alone, never from a
        configuration or a request.
        """
        known = [name for name in chosen if name in self.moving or name in self.standing]
        scope: dict[str, Any] = dict(self.names)
        body: list[str] = []
        for is_standing, run in groupby(known, key=lambda name: name in self.standing):
            if is_standing:
                remembered = f"standing{len(body)}"
                scope[remembered] = self.remember(tuple(run))
                body.append(f"{{{remembered}({self.remembered_by})}}")
            else:
                body.extend(self.moving[name] for name in run)
        text = f"{self.start}{''.join(body)}{end}"
        source = f"def line({self.parameters}):\n    {self.facts}\n    return f'''{text}\\n'''\n"
        exec(source, scope)  # noqa: S102 - see above
        function: Callable[..., str] = scope["line"]
        return function
