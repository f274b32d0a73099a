"""What the decoders of values take, as JSON Schema (draft 7).

A shape takes at least what its decoder takes, and more where a pattern could not say it: an editor that calls
a good configuration wrong is worse than one that misses a fault. Texts may be numbers, as other readers of
YAML find numbers (``12e3456``) where ours finds text. Patterns are those of ECMA 262.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator

from . import (
    addresses,
    answers,
    choices,
    external_data,
    files,
    headers,
    networks,
    pem,
    rewriting,
    upgrades,
    values,
)
from .entry import Entry
from .flags import RUNTIME_FLAGS
from .problem import DecodeError
from .route_settings import JWTIssuerFormat

Schema = dict[str, Any]


def matching(pattern: str, message: str, **more: Any) -> Schema:
    """A text of a form; ``message`` is what editors say of one that has not."""
    return {"type": ["string", "number"], "pattern": pattern, "patternErrorMessage": message, **more}


def any_case(words: Iterable[str]) -> str:
    """A pattern of these words, in capitals or not: ECMA 262 has no flag for that inside a pattern."""
    return "|".join("".join(_either_case(letter) for letter in word) for word in words)


def nullable(schema: Schema) -> Schema:
    """The schema, and null: a key without a value is as good as absent."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kinds = schema.get("type", [])
    listed = [kinds] if isinstance(kinds, str) else kinds
    return {**schema, "type": [*listed, "null"]} if listed else schema


def shape_of(kind: Any) -> Schema:
    """What an annotation of the models takes, null aside. TypeError for one that has no shape yet."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if kind in _SHAPES:
        return dict(_SHAPES[kind])
    if get_origin(kind) is tuple:
        return {"type": "array", "items": shape_of(get_args(kind)[0])}
    if get_origin(kind) is Annotated and BeforeValidator(values.listed) in kind.__metadata__:
        return list_or_text(shape_of(get_args(kind.__origin__)[0]))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _object(kind)
    raise TypeError(f"{kind} has no shape")


def list_or_text(items: Schema, pattern: str = "") -> Schema:
    """A list, or its entries in one text with commas between."""
    found: Schema = {"type": ["array", "string"], "items": items}
    if pattern:
        found |= {"pattern": pattern, "patternErrorMessage": items.get("patternErrorMessage", "")}
    return found


def _either_case(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else re.escape(letter)


def _object(model: type[BaseModel]) -> Schema:
    kinds = get_type_hints(model, include_extras=True)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in model.model_fields.items() if field.is_required()],
        "properties": {name: _member(model, name, kinds[name]) for name in model.model_fields},
    }


def _member(model: type[BaseModel], name: str, kind: Any) -> Schema:
    """A key of a mapping; those of an :class:`Entry` may be null, unless they are required."""
    optional = issubclass(model, Entry) and not model.model_fields[name].is_required()
    return nullable(shape_of(kind)) if optional else shape_of(kind)


def _map(of: Schema, **more: Any) -> Schema:
    """A mapping, or text that holds a JSON object."""
    return {
        "type": ["object", "string"],
        "pattern": r"^\s*\{[\s\S]*\}\s*$",
        "patternErrorMessage": "write a mapping, or text that holds a JSON object",
        "additionalProperties": of,
        **more,
    }


def _words(offered: Iterable[str], spellings: Iterable[str]) -> Schema:
    """A choice: the words that editors offer, and every other spelling."""
    pattern = rf"^\s*(?:{any_case(spellings)})\s*$"
    return {"anyOf": [{"enum": list(offered)}, {"type": "string", "pattern": pattern}]}


def _choice(key: str, kind: Any) -> Schema:
    """The words of an enumeration, which its decoder takes by value, proto name and suffix of that."""
    decode = kind.__metadata__[0].func
    offered = [value for value in get_args(kind.__origin__) if value]
    spellings = {"": None}
    for value in offered:
        parts = [*key.split("_"), *re.sub("([A-Z])", r"_\1", value).split("_")]
        spellings |= dict.fromkeys((value, *("_".join(parts[start:]) for start in range(len(parts)))))
    return _words(offered, [spelling for spelling in spellings if _takes(decode, spelling)])


def _takes(decode: Any, value: str) -> bool:
    try:
        decode(value)
    except DecodeError:
        return False
    return True


def _status(allowed: Iterable[int]) -> Schema:
    """One of a few numbers, or text that is one."""
    offered = [*allowed]
    pattern = f"^0*(?:{'|'.join(map(str, offered))})$"
    return {"anyOf": [{"enum": offered}, {"type": "string", "pattern": pattern}]}


_SERVICE: Final = f"(?:{any_case(('all', 'proxy', 'authenticate', 'authorize', 'databroker', 'cache'))})"
_FOREIGN_KEYS: Final = "|".join(re.escape(name) for name in external_data.FOREIGN_KEYS)
_UNIT: Final = "(?:ns|us|µs|μs|ms|s|m|h)"
_DURATION: Final = rf"^\+?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){_UNIT})+)$"
_DURATION_MESSAGE: Final = "write a duration such as 30s, 5m or 1h30m"
_SCHEME: Final = f"{any_case(['http'])}[sS]?://"
_SOCKET: Final = f"(?:{any_case(['https'])}\\+)?{any_case(['unix'])}:(?:///|/(?!/))"
_BASE64: Final = r"^[A-Za-z0-9+/=\s]*$"
_NAME: Final = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"

TEXT: Final[Schema] = {"type": ["string", "number"]}
WORD: Final[Schema] = matching(r"\S", "the entry is blank")
PATH: Final[Schema] = matching(r"\S", "write the path of a file or folder")
FLAG: Final[Schema] = {
    "type": ["boolean", "string"],
    "pattern": "^(?:1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$",
    "patternErrorMessage": "write true or false",
}
DURATION: Final[Schema] = {
    **matching(_DURATION, _DURATION_MESSAGE),
    "if": {"type": "number"},
    "then": {"const": 0, "errorMessage": _DURATION_MESSAGE},
}
BASE64: Final[Schema] = {
    "type": "string",
    "pattern": _BASE64,
    "patternErrorMessage": "write base64 of PEM, or name a file by the key ending in _file",
}
KEY_32: Final[Schema] = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9+/=\r\n]{44,}$",
    "patternErrorMessage": "write base64 of 32 bytes: head -c32 /dev/urandom | base64",
}
ORIGIN: Final[Schema] = {
    "type": "string",
    "pattern": rf"^\s*{_SCHEME}[^/?#\s@]+/?\??#?\s*$",
    "patternErrorMessage": "write https://host or https://host:port, without a path",
}
WEB_URL: Final[Schema] = {
    "type": "string",
    "pattern": rf"^\s*{_SCHEME}[^/?#\s@]\S*\s*$",
    "patternErrorMessage": "write a URL that begins with https:// or http://",
}
UPSTREAM: Final[Schema] = {
    "type": "string",
    "pattern": rf"^\s*(?:{_SCHEME}[^/?#\s@,]|{_SOCKET})\S*\s*(?:,\s*[0-9]+\s*)?$",
    "patternErrorMessage": "write http://host:port, https://host:port or unix:///path; a ,weight may follow",
}
NUMBER: Final[Schema] = {
    "type": ["integer", "string"],
    "minimum": 0,
    "pattern": "^-?[0-9]+$",
    "patternErrorMessage": "write a whole number",
}
PATH_TEXT: Final[Schema] = matching(r"^[!-\"$->@-~]*$", "write blanks and letters beyond ASCII as %XX")
HEADER_NAME: Final[Schema] = matching(rf"^{_NAME}$", "this is not a header name")
CLAIM_VALUES: Final[Schema] = {"type": ["array", "string", "number", "boolean", "object"]}
"""What a claim is compared with: anything but null."""

_HEADERS: Final[Schema] = _map(TEXT, propertyNames={"pattern": f"^{_NAME}$"})

_SHAPES: Final[Mapping[object, Schema]] = {
    values.Text: TEXT,
    values.Word: WORD,
    values.Flag: FLAG,
    values.Seconds: DURATION,
    values.Count: NUMBER,
    values.SmallCount: NUMBER,
    values.SecretText: WORD,
    values.TextMap: _map(TEXT),
    values.FlagMap: _map(
        FLAG,
        properties={
            name: {**FLAG, "description": f"Default: {str(default).lower()}."}
            for name, default in RUNTIME_FLAGS.items()
        },
    ),
    addresses.WebURL: WEB_URL,
    addresses.Service: ORIGIN,
    addresses.From: ORIGIN,
    addresses.HostName: TEXT,
    addresses.Authority: TEXT,
    answers.RedirectScheme: TEXT,
    answers.RedirectPort: {**NUMBER, "minimum": 1, "maximum": 65535},
    answers.RedirectPath: matching(r"^\s*(?:/|$)", "write an absolute path"),
    answers.RedirectStatus: _status(answers.REDIRECT_STATUSES),
    answers.ResponseStatus: {**NUMBER, "minimum": 200, "maximum": 599},
    answers.ResponseBody: TEXT,
    networks.Networks: list_or_text(WORD),
    rewriting.Regex: TEXT,
    rewriting.PathText: PATH_TEXT,
    rewriting.PathReplacement: PATH_TEXT,
    rewriting.HostReplacement: TEXT,
    rewriting.HeaderOrNone: matching(f"^(?:{_NAME})?$", "this is not a header name"),
    rewriting.SettableHeader: HEADER_NAME,
    rewriting.HeaderValue: TEXT,
    upgrades.Upgrades: list_or_text({**TEXT, "examples": [upgrades.WEBSOCKET, upgrades.SPDY]}),
    upgrades.Origins: list_or_text(WORD),
    choices.Services: list_or_text(
        matching(rf"^\s*{_SERVICE}\s*$", "write all, or leave services out", examples=["all"]),
        rf"^[\s,]*{_SERVICE}(?:\s*,[\s,]*{_SERVICE})*[\s,]*$",
    ),
    choices.ListenAddress: TEXT,
    choices.Level: _words(
        get_args(choices.LogLevel),
        (*get_args(choices.LogLevel), "warning", "fatal", "panic", "none", "disabled"),
    ),
    choices.Storage: _words(("sqlite", "file", "memory"), ("", "sqlite", "file", "memory")),
    choices.StoreFolder: PATH,
    choices.StorePath: PATH,
    choices.Workers: {"type": ["integer", "string"], "minimum": 1, "maximum": 1, "pattern": "^0*1$"},
    choices.CookieName: matching(rf"^\s*{_NAME}\s*$", "use letters, digits, _ and -"),
    choices.CookieDomain: TEXT,
    choices.CookieLifetime: {
        "type": "string",
        "pattern": _DURATION,
        "patternErrorMessage": _DURATION_MESSAGE,
    },
    choices.Codec: _choice("codec_type", choices.Codec),
    choices.UnderscoresAction: _choice("headers_with_underscores_action", choices.UnderscoresAction),
    choices.SlashesAction: _choice("path_with_escaped_slashes_action", choices.SlashesAction),
    choices.RouteSlashesAction: _choice("path_with_escaped_slashes_action", choices.RouteSlashesAction),
    choices.MostConnections: {**NUMBER, "minimum": 1},
    choices.RedirectAddress: TEXT,
    choices.SameSite: _choice("cookie_same_site", choices.SameSite),
    JWTIssuerFormat: _choice("jwt_issuer_format", JWTIssuerFormat),
    external_data.ForeignKey: {
        "anyOf": [{"enum": [*external_data.FOREIGN_KEYS]}, {"type": "string", "pattern": r"^\s*claim\.\S"}]
    },
    external_data.RecordsPath: PATH,
    external_data.ForeignKey: matching(
        rf"^\s*(?:{_FOREIGN_KEYS}|claim\.[\s\S]*\S)\s*$",
        "write a foreign key such as user.id, or claim.NAME",
        examples=[*external_data.FOREIGN_KEYS],
    ),
    external_data.RecordsPath: PATH,
    files.ConfigPath: PATH,
    files.TextPath: PATH,
    files.KeyPath32: PATH,
    files.SecretPath: PATH,
    files.SigningKeysPath: PATH,
    files.PrivateKeyPath: PATH,
    files.CertificatesPath: PATH,
    pem.Key32: KEY_32,
    pem.CertificatesPEM: BASE64,
    pem.PrivateKeyPEM: BASE64,
    pem.SigningKeysPEM: {"type": "string"},
    headers.HeaderName: HEADER_NAME,
    headers.RequestHeaders: _HEADERS,
    headers.ResponseHeaders: {
        "type": _HEADERS["type"],
        "properties": {headers.DISABLE: {"description": "Any value: no header at all is set."}},
        "if": {"type": "object", "required": [headers.DISABLE]},
        "else": {name: value for name, value in _HEADERS.items() if name != "type"},
    },
    headers.ClaimsHeaders: {
        "type": ["array", "object", "string"],
        "items": WORD,
        "additionalProperties": TEXT,
        "propertyNames": {"pattern": f"^{_NAME}$"},
    },
}
"""Every alias of the models' annotations that has a decoder of its own."""
