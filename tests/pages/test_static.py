"""The files of the pages: a fixed list, kept by content."""

from __future__ import annotations

import re

import pytest

from pomerium_tw.pages.assets import asset_url, assets
from pomerium_tw.pages.static import AssetPage, asset_pages

from .memory import drive, incoming


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.css", "text/css; charset=utf-8"),
        ("logo.svg", "image/svg+xml"),
        ("favicon.svg", "image/svg+xml"),
        ("favicon.ico", "image/vnd.microsoft.icon"),
        ("apple-touch-icon.png", "image/png"),
    ],
)
def test_the_right_version_is_kept_for_good(name: str, kind: str) -> None:
    path, _, query = asset_url(name).partition("?")
    answer = drive(asset_pages()[path], incoming(path, query=query))
    assert (answer.status, answer.header("content-type")) == (200, kind)
    assert answer.body == assets()[name].body
    assert answer.header("cache-control") == "public, max-age=31536000, immutable"
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("query", [None, "", "v=", "v=0000000000000000", "x=1"])
def test_any_other_version_is_asked_about_again(query: str | None) -> None:
    answer = drive(AssetPage("index.css"), incoming(query=query))
    assert answer.header("cache-control") == "no-cache"
    held = answer.header("etag") or ""
    assert drive(AssetPage("index.css"), incoming(query=query, if_none_match=held)).status == 304


def test_the_classic_names_are_served() -> None:
    pages = asset_pages()
    assert {"/.pomerium/index.css", "/.pomerium/favicon.ico", "/.pomerium/apple-touch-icon.png"} <= set(pages)


def test_the_address_is_a_digest_of_the_content() -> None:
    addresses = {asset_url(name) for name in assets()}
    assert all(re.fullmatch(r"/\.pomerium/assets/[a-z.-]+\?v=[0-9a-f]{16}", address) for address in addresses)


def test_no_asset_loads_anything_from_elsewhere() -> None:
    for name in ("index.css", "logo.svg", "favicon.svg"):
        text = assets()[name].body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\((?!#)|<script|javascript:", text)


def test_an_unknown_asset_has_no_address() -> None:
    with pytest.raises(KeyError):
        asset_url("../errors.py")
