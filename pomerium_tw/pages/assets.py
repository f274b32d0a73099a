"""The files that pages load: a fixed list, addressed by content so that browsers may keep them for good."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from .conditional import Entity

ASSET_PATH = "/.pomerium/assets/"

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "apple-touch-icon.png": "image/png",
        "favicon.ico": "image/vnd.microsoft.icon",
        "favicon.svg": "image/svg+xml",
        "index.css": "text/css; charset=utf-8",
        "logo.svg": "image/svg+xml",
    }
)
"""Every file that is served, and as what. Nothing else can be asked for."""


@cache
def assets() -> Mapping[str, Entity]:
    """File name → content; read from the package once."""
    folder = files(__package__) / "assets"
    return MappingProxyType(
        {name: Entity.of(kind, (folder / name).read_bytes()) for name, kind in _TYPES.items()}
    )


def asset_paths(name: str) -> tuple[str, str]:
    """Where an asset is served: in the folder of its own, and under Pomerium's classic name."""
    return ASSET_PATH + name, "/.pomerium/" + name


ASSET_PATHS = frozenset(path for name in _TYPES for path in asset_paths(name))
"""All of them. Whoever answers with a page of ours at a host has to serve these there too."""


def version(entity: Entity) -> str:
    """What the address of an asset ends in."""
    return entity.etag.strip(b'"').decode("ascii")[:16]


def asset_url(name: str) -> str:
    """The address of an asset, which changes with its content. An unknown name raises KeyError."""
    return f"{ASSET_PATH}{name}?v={version(assets()[name])}"
