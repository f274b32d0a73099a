"""The fields of a log line as one generated function.

A call for each field costs more than what it does, and there are two lines to a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

Remember = Callable[[tuple[str, ...]], Callable[..., str]]
"""Field names → a function of the line's parameters that gives their text, and remembers it."""


def compile_fields(  # noqa: PLR0917 - two kinds of fields, each with what it needs
    parameters: str,
    chosen: Iterable[str],
    moving: Mapping[str, str],
    names: Mapping[str, object],
    standing: Mapping[str, Any],
    remember: Remember,
) -> Callable[..., str]:
    """A function of ``parameters`` (names and commas) giving the chosen fields as JSON, each led by a comma.

    ``moving``: field → inside of an f-string over the parameters and ``names``. Neighbours among ``standing``
    become one call of what ``remember`` makes of them. Fields in neither are left out. What is compiled comes
    from these tables alone, never from a configuration or a request.
    """
    known = [name for name in chosen if name in moving or name in standing]
    scope: dict[str, object] = dict(names)
    body: list[str] = []
    for is_standing, run in groupby(known, key=lambda name: name in standing):
        if is_standing:
            remembered = f"standing{len(body)}"
            scope[remembered] = remember(tuple(run))
            body.append(f"{{{remembered}({parameters})}}")
        else:
            body.extend(moving[name] for name in run)
    function: Callable[..., str] = eval(f"lambda {parameters}: f'''{''.join(body)}'''", scope)  # noqa: S307 - see above
    return function
