"""Serves the assets of the pages."""

from __future__ import annotations

from ..model import Reply
from .assets import asset_paths, assets, version
from .resource import OwnRequest, Page

_FOREVER = b"public, max-age=31536000, immutable"
_ASK_AGAIN = b"no-cache"
_NO_SCRIPTS = (b"Content-Security-Policy", b"default-src 'none'")
"""For who opens an image on its own."""


class AssetPage(Page):
    """One asset. The address with the right version may be kept for good; any other is asked about again."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._entity = assets()[name]

    async def get(self, request: OwnRequest) -> Reply:
        current = request.incoming.target.query == b"v=" + version(self._entity).encode("ascii")
        return self._entity.reply(request.incoming, _FOREVER if current else _ASK_AGAIN, (_NO_SCRIPTS,))


def asset_pages() -> dict[str, Page]:
    """Path → resource of every asset."""
    pages: dict[str, Page] = {}
    for name in assets():
        pages.update(dict.fromkeys(asset_paths(name), AssetPage(name)))
    return pages
