"""What a route may make of a path, of the Host and of answers (spec/proxy §2.5, §3.3, §3.5)."""

from __future__ import annotations

import re
from typing import Annotated, Any

import re2
from pydantic import PlainValidator

from pomerium_tw.model import HeaderRewrite

from .entry import Entry
from .headers import header_name, header_value, settable_name
from .problem import DecodeError
from .values import Text, text

MAX_PATTERN_BYTES = 4096
"""Longest regular expression of a route: what one costs to compile and to match grows with it."""

_DOT_SEGMENT = re.compile(r"(?:^|/)(?:\.|%2[Ee]){1,2}(?:[/;]|$)")
_PATH = re.compile(r"[\x21-\x7e]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REFERENCE = re.compile(r"\\(.?)", re.DOTALL)
_LACKING = frozenset(("", "invalid perl operator", "invalid escape sequence"))
_HOST_PART = re.compile(r"[A-Za-z0-9_.:\[\]-]*")


def regex(value: Any) -> str:
    """A regular expression of RE2, which takes linear time whatever it is matched against (threats DO-08)."""
    pattern = text(value)
    if len(pattern.encode("utf-8", "replace")) > MAX_PATTERN_BYTES:
        raise DecodeError(f"the regular expression is longer than {MAX_PATTERN_BYTES} bytes")
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        raise DecodeError("this is not a regular expression of RE2", _regex_hint(error)) from None
    return pattern


def _regex_hint(error: re2.error) -> str:
    """RE2's reason, without the piece of the pattern that it quotes."""
    reason = error.args[0].partition(b":")[0].decode("ascii", "replace") if error.args else ""
    if reason in _LACKING:
        return "RE2 has no look-around and no back-references"
    return f"RE2 says: {reason}"


def groups_of(pattern: str) -> int:
    """How many groups a regular expression has that :func:`regex` took."""
    count: int = re2.compile(pattern).groups
    return count


def highest_group(replacement: str) -> int:
    """The greatest group that a replacement names; 0 is the whole match."""
    named = (int(each) for each in _REFERENCE.findall(replacement) if each.isdigit())
    return max(named, default=0)


def path_text(value: Any) -> str:
    """A path, or the beginning of one, as it is sent: escaped, without a query and without dot segments."""
    found = _path_bytes(text(value))
    if "\\" in found:
        raise DecodeError("a path must not hold a backslash")
    if _DOT_SEGMENT.search(found):
        raise DecodeError("a path must not hold . or .. as a segment", "write the path that is meant")
    return found


def path_replacement(value: Any) -> str:
    """A replacement in a path: ``\\1`` is a group of the pattern."""
    found = _path_bytes(_replacement(value))
    if "\\\\" in found:
        raise DecodeError("a path must not hold a backslash")
    return found


def host_replacement(value: Any) -> str:
    """A replacement that makes a Host of a path: ``\\1`` is a group of the pattern."""
    found = _replacement(value)
    if not _HOST_PART.fullmatch(_REFERENCE.sub("", found)) or "\\\\" in found:
        hint = "write letters, digits, dots and groups such as \\1"
        raise DecodeError("this does not make a host name", hint)
    return found


def header_or_none(value: Any) -> str:
    """A field name; blank text stands for none."""
    return header_name(value) if value != "" else ""


def _path_bytes(written: str) -> str:
    if not _PATH.fullmatch(written) or _ESCAPE.search(written):
        raise DecodeError(
            "a path holds no blanks and no letters beyond ASCII", "write them as %XX, and % itself as %25"
        )
    if "?" in written or "#" in written:
        raise DecodeError("a path has no query and no fragment", "the caller's query is kept as it is")
    return written


def _replacement(value: Any) -> str:
    found = text(value)
    for following in _REFERENCE.findall(found):
        if not ("0" <= following <= "9" or following == "\\"):
            raise DecodeError(
                "behind a backslash stands the number of a group", "write \\1 for the first, \\0 for all"
            )
    return found


Regex = Annotated[str, PlainValidator(regex)]
PathText = Annotated[str, PlainValidator(path_text)]
PathReplacement = Annotated[str, PlainValidator(path_replacement)]
HostReplacement = Annotated[str, PlainValidator(host_replacement)]
HeaderOrNone = Annotated[str, PlainValidator(header_or_none)]
SettableHeader = Annotated[str, PlainValidator(settable_name)]
HeaderValue = Annotated[str, PlainValidator(header_value)]


class HeaderRewriteSettings(Entry):
    """One entry of ``rewrite_response_headers``."""

    header: SettableHeader
    prefix: Text = ""
    value: HeaderValue = ""

    @property
    def rewrite(self) -> HeaderRewrite:
        """The same for the data path."""
        return HeaderRewrite(self.header, self.prefix, self.value)
