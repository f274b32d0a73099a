"""Sign in as a browser would, over plain HTTP on loopback, and give back the cookies.

Every host name is taken to be 127.0.0.1 and ``https`` is spoken without TLS, as behind a TLS terminator;
so nothing leaves the machine whatever a redirect says. The identity provider is a parameter: a mapping of
form fields to what a person types into its page.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import urlencode, urljoin

SECONDS = 10.0
"""Limit of each step."""

MOCK_PROVIDER = {"sub": "bench-user"}
"""What PyPI's oidc-provider-mock asks for."""


class SignInError(Exception):
    """The sign-in did not end where it began."""


class Answer(NamedTuple):
    status: int
    url: str
    """Where the redirects ended."""
    body: str


class Browser:
    """Keeps cookies, follows redirects, fills in a form."""

    def __init__(self) -> None:
        self._jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            _Loopback(),
            urllib.request.HTTPCookieProcessor(self._jar),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            self._opener.add_handler(handler)
        self._opener.addheaders = [("Accept", "text/html,*/*;q=0.8"), ("User-Agent", "bench")]

    def open(
        self, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET, or POST of a form; redirects are followed."""
        data = None if form is None else urlencode(form).encode("ascii")
        request = urllib.request.Request(url, data, dict(headers or {}))
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                return Answer(response.status, response.url, response.read().decode("utf-8", "replace"))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.url, error.read().decode("utf-8", "replace"))

    def sign_in(self, url: str, fields: Mapping[str, str] = MOCK_PROVIDER) -> Answer:
        """Open a protected page and fill the provider's form in: the page where that ends.

        Raises :class:`SignInError` when the provider shows no such form.
        """
        page = self.open(url)
        form = _find_form(page.body, set(fields))
        if form is None:
            raise SignInError(f"{_place(page)} shows no form with the fields {', '.join(fields)}")
        return self.open(urljoin(page.url, form.action), {**form.values, **fields})

    def cookies(self, url: str) -> str:
        """The Cookie header that would be sent to ``url``; "" without cookies."""
        request = urllib.request.Request(url)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie") or ""


def sign_in(url: str, fields: Mapping[str, str] = MOCK_PROVIDER) -> str:
    """Open a protected page, fill the provider's form in, come back: the Cookie header for that page.

    Raises :class:`SignInError` when the provider shows no such form or the page is not reached.
    """
    browser = Browser()
    end = browser.sign_in(url, fields)
    if end.status != 200 or end.url != url:
        raise SignInError(f"signed in, but ended at {_place(end)} instead of {url}")
    return browser.cookies(url)


def _place(answer: Answer) -> str:
    return f"{answer.url.partition('?')[0]} (status {answer.status})"  # a query may hold a code or state


class _Form:
    def __init__(self, action: str) -> None:
        self.action = action
        self.values: dict[str, str] = {}


class _Forms(HTMLParser):
    """Collects the forms of a page with the values their inputs came with."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(values.get("action", "")))
        elif tag == "input" and self.forms and values.get("name"):
            self.forms[-1].values[values["name"]] = values.get("value", "")


def _find_form(body: str, fields: set[str]) -> _Form | None:
    parser = _Forms()
    parser.feed(body)
    return next((form for form in parser.forms if fields <= form.values.keys()), None)


class _LoopbackConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), SECONDS)


class _Loopback(urllib.request.AbstractHTTPHandler):
    """Both schemes in the clear, to 127.0.0.1 at the port of the URL."""

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_LoopbackConnection, request)

    http_open = https_open = _open
    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_
