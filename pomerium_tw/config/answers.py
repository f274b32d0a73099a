"""Routes that answer by themselves: ``redirect`` and ``response`` (spec/proxy §2.1, §2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import PlainValidator

from pomerium_tw.model import DirectResponse, Redirect

from .addresses import Authority, host_and_port
from .entry import Entry
from .problem import DecodeError, Finding
from .rewriting import PathText
from .values import Flag, number, text

REDIRECT_STATUSES = (301, 302, 303, 307, 308)
"""What ``response_code`` may be (spec/proxy §2.3)."""

_BODILESS = (204, 205, 304)
"""Statuses whose answers have no body (RFC 9110 §15)."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_MAX_PORT = 65535


def redirect_scheme(value: Any) -> str:
    """A URL scheme (RFC 3986 §3.1) in lower case."""
    found = text(value).strip().lower()
    if found and not _SCHEME.fullmatch(found):
        raise DecodeError("this is not the scheme of a URL", "write https, without ://")
    return found


def redirect_port(value: Any) -> int:
    """A port that browsers can reach."""
    found = number(value)
    if not 0 < found <= _MAX_PORT:
        raise DecodeError("the port is a number from 1 to 65535")
    return found


def redirect_path(value: Any) -> str:
    """An absolute path; it may have a query, which then takes the place of the caller's."""
    found = text(value).strip()
    if found and (not _TARGET.fullmatch(found) or "#" in found or "\\" in found or found.startswith("//")):
        raise DecodeError("this is not an absolute path", "begin it with one /, and write blanks as %20")
    return found


def redirect_status(value: Any) -> int:
    """One of :data:`REDIRECT_STATUSES`."""
    found = number(value)
    if found not in REDIRECT_STATUSES:
        offered = ", ".join(str(each) for each in REDIRECT_STATUSES)
        raise DecodeError("this status does not redirect", f"use one of: {offered}")
    return found


def response_status(value: Any) -> int:
    """The status of a final answer."""
    found = number(value)
    if not 200 <= found <= 599:
        raise DecodeError("the status is a number from 200 to 599")
    return found


def response_body(value: Any) -> str:
    """Text that UTF-8 can write."""
    found = text(value)
    try:
        found.encode("utf-8")
    except UnicodeEncodeError:
        raise DecodeError("the body must be text that UTF-8 can write") from None
    return found


RedirectScheme = Annotated[str, PlainValidator(redirect_scheme)]
RedirectPort = Annotated[int, PlainValidator(redirect_port)]
RedirectPath = Annotated[str, PlainValidator(redirect_path)]
RedirectStatus = Annotated[int, PlainValidator(redirect_status)]
ResponseStatus = Annotated[int, PlainValidator(response_status)]
ResponseBody = Annotated[str, PlainValidator(response_body)]


class RedirectSettings(Entry):
    """``redirect`` of a route. What is not set stays as the caller asked."""

    https_redirect: Flag | None = None
    scheme_redirect: RedirectScheme = ""
    host_redirect: Authority = ""
    port_redirect: RedirectPort | None = None
    path_redirect: RedirectPath = ""
    prefix_rewrite: PathText = ""
    strip_query: Flag = False
    response_code: RedirectStatus = 301

    @property
    def redirect(self) -> Redirect:
        """The same for the data path: ``https_redirect`` and ``path_redirect`` win where they are set."""
        scheme = self.scheme_redirect if self.https_redirect is None else "https" * self.https_redirect
        host, port = host_and_port(self.host_redirect) if self.host_redirect else (None, None)
        return Redirect(
            scheme=scheme or None,
            host=host,
            port=port if self.port_redirect is None else self.port_redirect,
            path=self.path_redirect or None,
            prefix=None if self.path_redirect else self.prefix_rewrite or None,
            strip_query=self.strip_query,
            status=self.response_code,
        )

    def findings(self) -> Iterator[Finding]:
        """What is wrong between its keys."""
        if self.host_redirect and self.port_redirect and host_and_port(self.host_redirect)[1] is not None:
            yield Finding(
                ("port_redirect",), "host_redirect and port_redirect both name a port", "keep one of the two"
            )
        if self.https_redirect is not None and self.scheme_redirect:
            message = "scheme_redirect has no effect beside https_redirect"
            yield Finding(("scheme_redirect",), message, "keep one of the two", warning=True)
        if self.path_redirect and self.prefix_rewrite:
            message = "prefix_rewrite has no effect beside path_redirect"
            yield Finding(("prefix_rewrite",), message, "keep one of the two", warning=True)


class ResponseSettings(Entry):
    """``response`` of a route."""

    status: ResponseStatus
    body: ResponseBody = ""

    @property
    def response(self) -> DirectResponse:
        """The same for the data path."""
        return DirectResponse(self.status, self.body)

    def findings(self) -> Iterator[Finding]:
        """What is wrong between its keys."""
        if self.body and self.status in _BODILESS:
            message = f"an answer with the status {self.status} has no body"
            yield Finding(("body",), message, "leave the body out")
