"""Decoders of single top-level keys whose values are chosen from a few, or have a form of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import PlainValidator, ValidationInfo

from .addresses import Address, host_name, parse_address
from .files import read_text, resolve
from .problem import DecodeError
from .values import choice, duration, listed, number, small_count, text, word

LogLevel = Literal["trace", "debug", "info", "warn", "error", "critical", "off"]

_LEVELS: Mapping[str, LogLevel] = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "critical": "critical",
    "fatal": "critical",
    "panic": "critical",
    "off": "off",
    "none": "off",
    "disabled": "off",
}
_PARTS = ("proxy", "authenticate", "authorize", "databroker")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFAULT_PORT, _DEFAULT_CLEAR_PORT = 443, 80


class StoreFile(NamedTuple):
    """A file that holds databroker_storage_connection_string."""

    path: Path
    folder: Path
    """The folder that the file names."""


def _services(value: Any) -> Literal["all"]:
    names = {text(name).strip().lower() for name in listed(value)}
    parts = {"databroker" if name == "cache" else name for name in names}
    if not parts:
        raise DecodeError("the list of services is empty", "write all")
    if unknown := sorted(parts - {"all", *_PARTS}):
        raise DecodeError(f"there is no service {unknown[0]}", f"services are all, {', '.join(_PARTS)}")
    if "all" not in parts and parts != set(_PARTS):
        raise DecodeError("split services are not built yet", "write all, or leave services out")
    return "all"


def _address(value: Any, info: ValidationInfo) -> Address:
    clear = info.data.get("insecure_server", False)
    return parse_address(value, _DEFAULT_CLEAR_PORT if clear else _DEFAULT_PORT)


def _level(value: Any) -> LogLevel:
    if (level := _LEVELS.get(text(value).lower())) is None:
        raise DecodeError("this is not a log level", f"use one of: {', '.join(_LEVELS)}")
    return level


def _storage(value: Any) -> str:
    name = text(value).strip().lower()
    if name == "postgres":
        raise DecodeError("the store postgres is not built yet", "use sqlite or memory")
    if name not in {"", "sqlite", "file", "memory"}:
        raise DecodeError("this is not a kind of store", "use sqlite or memory")
    return "memory" if name == "memory" else "sqlite"


def _store_folder(value: Any, info: ValidationInfo) -> Path:
    """The folder that a path or a ``file:`` URL names."""
    written = word(value)
    if "://" not in written and not written.startswith("file:"):
        return resolve(written, info)
    parts = urlsplit(written)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path:
        raise DecodeError(
            "the store is a folder: a path or file:///path", "other kinds of store are not built yet"
        )
    return resolve(unquote(parts.path), info)


def _store_file(value: Any, info: ValidationInfo) -> StoreFile:
    file = read_text(value, info)
    try:
        return StoreFile(file.path, _store_folder(file.text, info))
    except DecodeError as fault:
        raise DecodeError(f"{file.path}: {fault.message}", fault.hint) from None


def _one_worker(value: Any) -> int:
    if number(value) != 1:
        raise DecodeError("several workers are not built yet", "write workers: 1")
    return 1


def _cookie_name(value: Any) -> str:
    if not _TOKEN.fullmatch(name := word(value)):
        raise DecodeError("this is not a cookie name", "use letters, digits, _ and -")
    return name


def _cookie_domain(value: Any) -> str:
    return host_name(text(value).removeprefix("."))


def _cookie_lifetime(value: Any) -> float:
    if not (seconds := duration(value)):
        raise DecodeError("a session must live for some time", "write a duration such as 14h")
    return seconds


_CODECS = {"auto": "AUTO", "http1": "HTTP1", "http2": "HTTP2", "http3": "HTTP3"}
_UNDERSCORES = {"allow": "ALLOW", "reject_request": "REJECT_REQUEST", "drop_header": "DROP_HEADER"}
_SLASHES = {
    "keep_unchanged": "KEEP_UNCHANGED",
    "reject_request": "REJECT_REQUEST",
    "unescape_and_redirect": "UNESCAPE_AND_REDIRECT",
    "unescape_and_forward": "UNESCAPE_AND_FORWARD",
}
_SAME_SITE = {"lax": "LAX", "strict": "STRICT", "none": "NONE"}


def _route_slashes(value: Any) -> str:
    """What a route may say: a path is unescaped, or not, before it is known whose it is."""
    found = choice("path_with_escaped_slashes_action", _SLASHES)(value)
    if found.startswith("unescape"):
        raise DecodeError(
            "paths are unescaped before a route is found: this is for the top level to say",
            "use one of: keep_unchanged, reject_request",
        )
    return found


def _most_connections(value: Any) -> int:
    if not (found := small_count(value)):
        raise DecodeError("without a connection nobody is served", "write a whole number above 0")
    return found


def _redirect_address(value: Any) -> Address | None:
    return parse_address(value, _DEFAULT_CLEAR_PORT) if text(value).strip().strip("\"'") else None


Services = Annotated[Literal["all"], PlainValidator(_services)]
ListenAddress = Annotated[Address, PlainValidator(_address)]
Level = Annotated[LogLevel, PlainValidator(_level)]
Storage = Annotated[Literal["sqlite", "memory"], PlainValidator(_storage)]
StoreFolder = Annotated[Path, PlainValidator(_store_folder)]
StorePath = Annotated[StoreFile, PlainValidator(_store_file)]
Workers = Annotated[Literal[1], PlainValidator(_one_worker)]
CookieName = Annotated[str, PlainValidator(_cookie_name)]
CookieDomain = Annotated[str, PlainValidator(_cookie_domain)]
CookieLifetime = Annotated[float, PlainValidator(_cookie_lifetime)]
Codec = Annotated[
    Literal["auto", "http1"],
    PlainValidator(choice("codec_type", _CODECS, default="auto", not_built=("http2", "http3"))),
]
UnderscoresAction = Annotated[
    Literal["allow", "reject_request", "drop_header"],
    PlainValidator(choice("headers_with_underscores_action", _UNDERSCORES, default="reject_request")),
]
SlashesAction = Annotated[
    Literal["keep_unchanged", "reject_request", "unescape_and_redirect", "unescape_and_forward"],
    PlainValidator(choice("path_with_escaped_slashes_action", _SLASHES, default="reject_request")),
]
RouteSlashesAction = Annotated[Literal["keep_unchanged", "reject_request"], PlainValidator(_route_slashes)]
MostConnections = Annotated[int, PlainValidator(_most_connections)]
RedirectAddress = Annotated[Address | None, PlainValidator(_redirect_address)]
SameSite = Annotated[
    Literal["", "lax", "strict", "none"], PlainValidator(choice("cookie_same_site", _SAME_SITE, default=""))
]
