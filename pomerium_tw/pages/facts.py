"""What went wrong, in words: one value that every form of an error answer is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

_OWN_STATUSES: Mapping[int, str] = MappingProxyType(
    {
        413: "Content Too Large",  # by RFC 9110 §15.5.14; Python 3.11 has the older phrases
        414: "URI Too Long",
        450: "Device Not Authorized",  # Pomerium's (spec/identity §5.6)
        495: "Client Certificate Required",
    }
)


def status_text(status: int) -> str:
    """The phrase of an HTTP status (RFC 9110 §15), Pomerium's own 450 and 495 included."""
    if status in _OWN_STATUSES:
        return _OWN_STATUSES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _check_address(address: str) -> None:
    """Raises ValueError for anything but an http(s) URL or an absolute path: pages link nowhere else."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\"))
    if not (is_path or address.startswith(("https://", "http://"))):
        raise ValueError("a page may only link to an http(s) URL or an absolute path")
    if any(character <= " " or character == "\x7f" for character in address):
        raise ValueError("an address must not contain blanks or control characters")


@dataclass(frozen=True, slots=True)
class Link:
    """Somewhere to go next."""

    label: str
    href: str
    """An http(s) URL or an absolute path; anything else raises ValueError."""

    def __post_init__(self) -> None:
        _check_address(self.href)


@dataclass(frozen=True, slots=True)
class Form:
    """A button that changes something, sent as a POST of ``fields``.

    The page's ``form-action`` keeps it on its own host, and browsers hold redirects of the answer to that
    too: to go to another host after a POST, answer with :func:`~pomerium_tw.pages.forward_reply`.
    """

    label: str
    action: str
    """A path on this host; a URL of another needs a page whose ``form-action`` names that host."""
    fields: tuple[tuple[str, str], ...] = ()
    """Hidden (name, value) pairs."""

    def __post_init__(self) -> None:
        _check_address(self.action)


@dataclass(frozen=True, slots=True)
class Detail:
    """Why one policy decided as it did; shown when the route has ``show_error_details``."""

    id: str
    explanation: str
    remediation: str = ""


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """An error as people and programs learn of it. Nothing in it is a secret, or trusted as markup."""

    status: int
    title: str
    """A few words: the heading."""
    message: str
    """What happened, in one or two sentences."""
    advice: str = ""
    """What the reader can do next."""
    reason: str = ""
    """For programs: ``error`` of denials, ``statusText`` of local replies; the status phrase when empty."""
    flag: str = ""
    """Response flag of the access log (NR, UF, UC, UT, UO, UPE, …; spec/proxy §3.10)."""
    details: tuple[Detail, ...] = ()
    actions: tuple[Link, ...] = ()
    forms: tuple[Form, ...] = ()

    @property
    def reason_text(self) -> str:
        return self.reason or status_text(self.status)
