"""What a browser says about where a request comes from (Fetch Metadata, RFC 6454): no page can forge it."""

from __future__ import annotations

from ..model import Request

_PURPOSES = (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose")
"""Headers of requests that a browser makes beforehand, for an address that nobody has opened yet."""

_PAGE_LOADS = (None, b"document", b"empty", b"frame", b"iframe")


def is_beforehand(request: Request) -> bool:
    """The browser fetches what its visitor may want next: a prefetch or a prerendering is no wish of his."""
    return any(request.head.get(name) is not None for name in _PURPOSES)


def is_page_load(request: Request) -> bool:
    """A page is opened, in a tab or in a frame; not an image or script of some page.

    Browsers that do not say are believed, and so are scripts, whose requests cannot come from other sites.
    """
    return request.head.get(b"sec-fetch-dest") in _PAGE_LOADS


def is_own_navigation(request: Request) -> bool:
    """The visitor typed the address or followed a link of this very host.

    Browsers that do not say count as strangers: they are asked.
    """
    head = request.head
    return not is_beforehand(request) and (
        head.get(b"sec-fetch-site") in (b"same-origin", b"none")
        and head.get(b"sec-fetch-mode") == b"navigate"
        and head.get(b"sec-fetch-dest") in (None, b"document")
    )


def is_own_post(request: Request) -> bool:
    """A form of this very host was sent."""
    site, origin = request.head.get(b"sec-fetch-site"), request.head.get(b"origin")
    if site is not None:
        return site == b"same-origin"
    return origin == f"https://{request.authority}".encode()
