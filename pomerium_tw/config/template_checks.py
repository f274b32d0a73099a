"""References of header values that stand for nothing, or are not read as references (spec/proxy §3.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from policy_grammar import nearest
from pomerium_tw.model import HEADER_REFERENCE, REFERENCES, Reference, Template, is_known, plain_pieces

from .headers import is_header_name
from .problem import Finding

_ROOT = HEADER_REFERENCE[0]
_SEEMING = re.compile(r"\$[{(\s]*pomerium\b", re.IGNORECASE)
"""Text that somebody means for a reference."""
_NAMES = sorted(reference[1] for reference in REFERENCES)
_OF_HEADERS = '${pomerium.request.headers["NAME"]}'
_NEVER_TOLD = "x-pomerium-authorization"
"""The header that holds nothing but what callers sign in with."""
_KNOWN = f"${{pomerium.NAME}} with {', '.join(_NAMES)}, and {_OF_HEADERS}"


def unread(set_request_headers: Mapping[str, str]) -> Iterator[Finding]:
    """What is sent as nothing, or as it stands, and most likely should not be.

    A value may hold a secret with a dollar sign: no message repeats any of it.
    """
    for name, value in set_request_headers.items():
        path = ("set_request_headers", name)
        references = Template.parse(value).references
        unknown = [each for each in references if not is_known(each)]
        if unknown:
            message = f"{name}: a reference in this value is not known, and nothing is sent in its place"
            yield Finding(path, message, _meant(unknown[0]), warning=True)
        elif any(_names_nothing(each) for each in references):
            message = (
                f"{name}: a reference in this value is to a header that is never there, and says nothing"
            )
            hint = f"write the name of a header such as X-Request-Start into {_OF_HEADERS}"
            yield Finding(path, message, hint, warning=True)
        elif any(_SEEMING.search(piece) for piece in plain_pieces(value)):
            message = f"{name}: what seems to be a reference is sent as it stands"
            hint = f"write {_KNOWN}, with double quotes; a dollar sign is $$"
            yield Finding(path, message, hint, warning=True)


def never_read(set_response_headers: Mapping[str, str]) -> Iterator[Finding]:
    """References in headers of answers, which have none."""
    for name, value in set_response_headers.items():
        if _SEEMING.search(value):
            message = f"{name}: references are read in set_request_headers alone; this is sent as it stands"
            yield Finding(("set_response_headers", name), message, "write the value itself", warning=True)


def _names_nothing(reference: Reference) -> bool:
    """Whether it is to a header that no request has, or that is told to nobody."""
    if reference[: len(HEADER_REFERENCE)] != HEADER_REFERENCE:
        return False
    name = reference[-1]
    return not is_header_name(name) or name.lower() == _NEVER_TOLD


def _meant(reference: Reference) -> str:
    """What to write in its place."""
    if reference[0] == _ROOT or nearest(reference[0], [_ROOT]):
        if reference[1:3] == HEADER_REFERENCE[1:] or nearest(".".join(reference[1:3]), ["request.headers"]):
            return f"did you mean {_OF_HEADERS}?"
        if near := nearest(".".join(reference[1:]), _NAMES):
            return f"did you mean ${{pomerium.{near}}}?"
        return f"known are {_KNOWN}; claims are sent by jwt_claims_headers"
    return f"a dollar sign is $$; known are {_KNOWN}"
