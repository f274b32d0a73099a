"""Texts in the one spelling in which they are compared, in time that grows with their length alone.

What is spelled here comes from identity providers, and they have it from strangers.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna

MAX_MARKS: Final = 30
"""Combining marks in a row that a text may have and still be normalised: that sorts each row of them, in time
that grows with the square of its length. As much as any language needs (UAX #15, Stream-Safe Text Format)."""

MAX_LABEL: Final = 63
"""Letters of a label of a domain name that has a form in ASCII (RFC 1035 §2.3.4)."""
MAX_LABELS: Final = 127
"""Labels of a domain name that are brought into ASCII, counted from its end: no real name has more of them
(RFC 1035 §2.3.4)."""

# Unicode calls them no marks, but each falls apart into two.
_UNCOUNTED_MARKS: Final = ("\u0f73", "\u0f75", "\u0f81")
_ROW: Final = b"\1" * (MAX_MARKS + 1)
_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 §3.1


def nfc(text: str) -> str | None:
    """The text in Unicode's normal form C, in which policies compare texts; nothing else is folded.

    None of one that has more than ``MAX_MARKS`` combining marks in a row.
    """
    if text.isascii():
        return text
    if len(text) > MAX_MARKS and _ROW in _marks(text):
        return None
    return unicodedata.normalize("NFC", text)


def _marks(text: str) -> bytes:
    """A 1 for each mark, a 0 for each other character."""
    for mark in _UNCOUNTED_MARKS:
        text = text.replace(mark, "\u0300")
    return bytes(map(bool, map(unicodedata.combining, text)))


def ascii_domain(name: str, *, valid: bool = False) -> str:
    """A domain name in the form that the DNS knows, ``xn--…`` (RFC 5890).

    A name in ASCII stays as it is; another one is lower case then. Labels that IDNA does not allow have that
    form too: some are in use, such as ``☕``, and no two labels share one. Where ``valid`` is asked for, they
    stay as they are; those of more than ``MAX_LABEL`` letters always do. The others of the name count
    nevertheless: what is under a domain stays under it.
    """
    if name.isascii():
        return name
    labels = _DOTS.split(name.lower())
    return ".".join(labels[:-MAX_LABELS] + [_ascii_label(label, valid) for label in labels[-MAX_LABELS:]])


def _ascii_label(label: str, valid: bool) -> str:
    # IDNA knows neither my_app nor r3---sn: what is ASCII stands as it is.
    if label.isascii() or len(label) > MAX_LABEL:
        return label
    label = unicodedata.normalize("NFC", label)
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError:
        return label if valid else f"xn--{label.encode('punycode').decode('ascii')}"
