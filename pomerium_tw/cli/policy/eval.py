"""``pomerium-tw policy eval``: what this version answers to conformance cases."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.command(name="eval")
@click.option(
    "--cases",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Cases, one JSON object a line.",
)
def eval_cases(cases: Path) -> None:
    """Answer each case with a line of JSON: its id, and the keys that an "expect" of its kind may hold.

    What a case expects is not looked at. A case that cannot be answered gets {"id", "error"}, and the rest
    goes on; exits with 1 where a line is no case at all.
    """
    from .cases import answer

    try:
        text = cases.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{cases} cannot be read: {error}") from None
    broken = False
    # Lines end as JSON Lines has them: other separators may stand in texts.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
            case_id = case["id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            click.echo(f"{cases}:{number}: a case is a JSON object with an id", err=True)
            broken = True
            continue
        click.echo(json.dumps({"id": case_id, **_answered(answer, case)}))
    sys.exit(1 if broken else 0)


def _answered(answer: Any, case: Mapping[str, Any]) -> dict[str, Any]:
    # Whatever a case does to us, the next one gets its answer.
    try:
        found: dict[str, Any] = answer({key: value for key, value in case.items() if key != "expect"})
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return found
