"""Header names and values of a configuration; default headers of answers (spec/proxy §3.4, §3.5, §3.9)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from .problem import DecodeError, Finding
from .values import Text, kind_of, mapped, text, word

DISABLE = "disable"
"""A key of set_response_headers that empties the whole set."""

CLAIM_HEADER_PREFIX = "x-pomerium-claim-"
"""Begins the header names that list and text forms of jwt_claims_headers stand for."""

HSTS = "Strict-Transport-Security"

DEFAULT_RESPONSE_HEADERS: Mapping[str, str] = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    HSTS: "max-age=31536000; includeSubDomains; preload",
}
"""Written on every answer unless set_response_headers is set; HSTS only where a certificate is configured."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that say where a message ends: ours to write, never a configuration's."""
_PUNCTUATION = re.compile(r"[!#$%&'*+.^_`|~]")
REQUEST_ID = "x-request-id"
REMOVED = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "content-length",
        "expect",
        "x-request-id",
        "forwarded",
        "proxy",
        "x-real-ip",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-server",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-forwarded-client-cert",
        "x-client-cert",
        "x-original-url",
        "x-rewrite-url",
    )
)
"""Headers of callers that no upstream gets."""
UNTRUSTED_PREFIXES = ("x-envoy-", "x-ssl-client-")
"""Begin what is said of the connection; callers have no say in that either."""
_OURS = frozenset(
    (
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-pomerium-authorization",
        "x-pomerium-jwt-assertion",
        "x-pomerium-jwt-assertion-for",
        "x-pomerium-reproxy-policy",
        "x-pomerium-reproxy-policy-hmac",
        "x-pomerium-routing-key",
        "x-pomerium-set-cookie",
    )
)
"""Further headers that the proxy itself writes, or that mean something to it (spec/proxy §3.2, §3.4)."""
CREDENTIALS = frozenset(("cookie", "authorization"))
"""Headers that callers sign in with; of what they send, the upstream gets what is not ours."""
_WRITTEN_ANEW = frozenset(("host", "connection", "content-length", "transfer-encoding", "upgrade"))
_EACH_ITS_OWN = frozenset({"date", REQUEST_ID})
"""Headers that tell one answer from another: the same on all, they would be wrong on all."""


def alias(name: str) -> str:
    """The spelling under which upstreams may confuse names: the data path sorts them by it."""
    return _PUNCTUATION.sub("-", name.lower())


def is_header_name(name: str) -> bool:
    """Whether a header can have this name (RFC 9110 §5.1)."""
    return _TOKEN.fullmatch(name) is not None


def header_name(value: Any) -> str:
    """A field name (RFC 9110 §5.1)."""
    name = text(value)
    if not is_header_name(name):
        raise DecodeError("this is not a header name", "write one such as X-Request-Start, without a colon")
    return name


def settable_name(value: Any) -> str:
    """A field name that a configuration may set."""
    name = header_name(value)
    if alias(name) in _FRAMING:
        raise DecodeError(f"the header {name} frames the message and cannot be set here")
    return name


def response_name(value: Any) -> str:
    """A field name that may be set on answers."""
    name = settable_name(value)
    if name.lower() in _EACH_ITS_OWN:
        raise DecodeError(
            f"the header {name} is written anew for each answer and cannot be set here", "leave it out"
        )
    return name


def request_name(value: Any) -> str:
    """A field name that may be set on requests: not Host, nor the request id (spec/proxy §3.3, §3.5)."""
    if text(value).lower() == "host":
        raise DecodeError("the header Host cannot be set here", "use host_rewrite or preserve_host_header")
    name = settable_name(value)
    if alias(name) == REQUEST_ID:
        raise DecodeError(
            f"the header {name} names the request in every log, and its upstream is told it always",
            "leave it out, or use a header of another name",
        )
    return name


def claim_name(value: Any) -> str:
    """A field name that may hold a claim: callers may have a say in what theirs are (spec/proxy §3.4)."""
    name = header_name(value)
    hint = "name another header, such as X-Email"
    if alias(name) in CREDENTIALS:
        raise DecodeError(f"the header {name} holds what callers sign in with, never a claim", hint)
    if alias(name) in REMOVED | _OURS or alias(name).startswith(UNTRUSTED_PREFIXES):
        raise DecodeError(f"the header {name} is not for claims: the proxy decides what it says", hint)
    return name


def header_value(value: Any) -> str:
    """A field value of one line."""
    found = text(value)
    if _FORBIDDEN_IN_VALUE.search(found):
        raise DecodeError("a header value must not hold line breaks or control characters")
    try:
        found.encode("utf-8")
    except UnicodeEncodeError:
        raise DecodeError("a header value must be text that UTF-8 can write") from None
    return found.strip(" \t")


def response_headers(value: Any) -> dict[str, Any]:
    """A mapping of headers; the key ``disable`` leaves itself alone in it."""
    found = mapped(value)
    return {DISABLE: "true"} if DISABLE in found else found


def claims_headers(value: Any) -> dict[str, Any]:
    """jwt_claims_headers: header → claim, from a mapping, a list, or text split at commas and blanks."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        value = [claim for claim in re.split(r"[,\s]+", value) if claim]
    if isinstance(value, list | tuple):
        claims = [word(claim) for claim in value]
        return {CLAIM_HEADER_PREFIX + claim: claim for claim in claims}
    if isinstance(value, str | Mapping):
        return mapped(value)
    raise DecodeError(f"a mapping of headers to claims is expected here, not {kind_of(value)}")


def headers_variable(written: str) -> dict[str, Any]:
    """The forms of the variable HEADERS: a JSON object, or ``Name:value,Name2:value2``."""
    if written.lstrip().startswith("{"):
        return mapped(written)
    found: dict[str, Any] = {}
    for part in written.split(","):
        name, colon, value = part.partition(":")
        if not colon:
            raise DecodeError(
                "this is neither a JSON object nor a list of Name:value", 'write {"Name": "value"}'
            )
        if (name := name.strip()) in found:
            raise DecodeError("a header is named twice", "keep one of the two")
        found[name] = value.strip()
    return found


def spelled_twice(key: str, headers: Mapping[str, str]) -> Iterator[Finding]:
    """Names of a mapping that are one header: they differ only in case. ``key``: the mapping's."""
    seen: dict[str, str] = {}
    for name in headers:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Finding((key, name), f"{name}: this is the same header as {first}", "keep one of the two")


def confusable(key: str, headers: Mapping[str, str], *, warning: bool = False) -> Iterator[Finding]:
    """Names of a mapping that differ only in case and punctuation: to many upstreams they are one header.

    ``key``: the mapping's. ``warning``: whether the configuration may be used all the same.
    """
    seen: dict[str, str] = {}
    for name in headers:
        first = seen.setdefault(alias(name), name)
        if first != name:
            message = f"{name}: upstreams may take this for the header {first}"
            yield Finding((key, name), message, "keep one of the two", warning)


def kept_anyway(remove_request_headers: Sequence[str]) -> Iterator[Finding]:
    """Headers that upstreams are told although they are to be removed."""
    for index, name in enumerate(remove_request_headers):
        if alias(name) == REQUEST_ID:
            why = "every upstream is told the request's id"
        elif alias(name) in _WRITTEN_ANEW:
            why = "it is written anew for each request"
        else:
            continue
        message = f"remove_request_headers has no effect on {name}: {why}"
        hint = "use host_rewrite" if alias(name) == "host" else "leave it out"
        yield Finding(("remove_request_headers", index), message, hint, warning=True)


HeaderName = Annotated[str, PlainValidator(header_name)]
RequestHeaders = Annotated[
    Mapping[Annotated[str, PlainValidator(request_name)], Annotated[str, PlainValidator(header_value)]],
    BeforeValidator(mapped),
]
"""Values as they are written: what references they hold is authorize's business (spec/ppl §7)."""
ResponseHeaders = Annotated[
    Mapping[Annotated[str, PlainValidator(response_name)], Annotated[str, PlainValidator(header_value)]],
    BeforeValidator(response_headers),
]
ClaimsHeaders = Annotated[
    Mapping[Annotated[str, PlainValidator(claim_name)], Text], BeforeValidator(claims_headers)
]
