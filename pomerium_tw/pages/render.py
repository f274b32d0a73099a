"""From template and values to a reply, with the headers that every answer of ours carries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..model import Reply
from .assets import asset_url, assets
from .facts import Form, Link, status_text

Headers = Iterable[tuple[bytes, bytes]]

CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: https:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""DESIGN §7.17: own pages hold no inline script or style and load nothing from elsewhere but images."""

INTERCEPTED = (b"X-Pomerium-Intercepted-Response", b"true")
"""Tells a client that this answer is ours, not the upstream's (spec/identity §5.6)."""
NO_SNIFFING = (b"X-Content-Type-Options", b"nosniff")
NO_STORE = (b"Cache-Control", b"no-cache, no-store, must-revalidate")
"""Answers about a person or a moment are kept nowhere, a browser's back button included."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pomerium_tw.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=asset_url, status_text=status_text)
    return environment


def load_pages() -> None:
    """Read everything that pages are made of, so that none of it is opened while requests are answered.

    Then descriptors may run out, and another version of the package may lie in the place of this one.
    """
    assets()
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def body_reply(status: int, content_type: str, body: bytes, headers: Headers = ()) -> Reply:
    """An answer of our own that nobody may store."""
    typed = (b"Content-Type", content_type.encode("ascii"))
    return Reply(status, (typed, NO_STORE, NO_SNIFFING, INTERCEPTED, *headers), body)


def html_reply(template: str, status: int = 200, *, headers: Headers = (), **values: Any) -> Reply:
    """The page ``templates/<template>`` filled with ``values``, all escaped; a missing one raises."""
    text = _environment().get_template(template).render(values)
    protection = (
        (b"Content-Security-Policy", CONTENT_SECURITY_POLICY),
        (b"Referrer-Policy", b"same-origin"),
    )
    # A lone surrogate (possible in a claim: JSON allows it) must not break the page.
    body = text.encode("utf-8", "replace")
    return body_reply(status, "text/html; charset=UTF-8", body, (*protection, *headers))


def json_reply(value: Any, status: int = 200, *, headers: Headers = (), indent: int | None = None) -> Reply:
    """``value`` as JSON in pure ASCII: no character of a foreign text can end a line or a script."""
    separators = (",", ":") if indent is None else None
    body = json.dumps(value, indent=indent, separators=separators).encode("ascii")
    return body_reply(status, "application/json", body, headers)


def text_reply(text: str, status: int = 200, *, headers: Headers = ()) -> Reply:
    """``text`` as it stands."""
    return body_reply(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"), headers)


def bare_reply(status: int, message: str) -> Reply:
    """The answer when there is no request to speak of, such as a head that cannot be read."""
    return text_reply(f"{status} {status_text(status)}\n{message}\n", status)


def message_reply(
    title: str,
    message: str,
    *,
    advice: str = "",
    links: tuple[Link, ...] = (),
    forms: tuple[Form, ...] = (),
    status: int = 200,
    headers: Headers = (),
) -> Reply:
    """A page that says one thing and offers what to do next; the first button stands out."""
    return html_reply(
        "message.html",
        status,
        headers=headers,
        title=title,
        message=message,
        advice=advice,
        links=links,
        forms=forms,
    )


def forward_reply(location: str, *, headers: Headers = ()) -> Reply:
    """Sends the browser on to another host after a POST: a page that moves on at once, with a link besides.

    A redirect will not do there: browsers hold it against ``form-action`` of the page that had the form.
    Raises ValueError when ``location`` is not an http(s) URL or absolute path in ASCII.
    """
    link = Link("Continue", location)
    refresh = (b"Refresh", b"0; url=" + location.encode("ascii"))
    return message_reply(
        "One moment",
        "You are being taken to the next page.",
        advice="If nothing happens, use the button.",
        links=(link,),
        headers=(refresh, *headers),
    )
