"""Comments of a ``.ppl`` text. The parser leaves them out; they are found beside it."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from .comments import FORBIDDEN, Found
from .errors import PolicySyntaxError
from .span import Span

_TEXT_OR_COMMENT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_BLANK_LINE: Final = re.compile(r"\n[ \t\r\f]*\n")
_BAD: Final = re.compile(f"[{FORBIDDEN}]")


def find_comments(text: str, file: str) -> list[Found]:
    """All comments of a text that follows the grammar, in order.

    Raises PolicySyntaxError for a comment with a control character: YAML could not carry it, and a lone
    carriage return would hide the text behind it from the parser but not from a reader.
    """
    if "#" not in text:
        return []
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found = []
    for match in _TEXT_OR_COMMENT.finditer(text):
        if text[match.start()] == "#":
            line = bisect_right(starts, match.start())
            column = match.start() - starts[line - 1] + 1
            comment = match.group().rstrip()
            if bad := _BAD.search(comment):
                place = Span(file, line, column + bad.start())
                raise PolicySyntaxError("a control character stands in this comment", place)
            spaced = _BLANK_LINE.match(text, match.end()) is not None
            found.append(Found((line, column), comment, spaced))
    return found
