"""Criteria on the certificate that the client presented (spec/ppl §4.5)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion, did_you_mean

from ..branches import Alternatives, Branch, Expression, Input, Test, decided
from ..errors import PolicyError
from ..interface import ICriterion
from ..matchers import STRING_SCHEMA, any_text_matcher
from .kinds import ANYTHING, UNUSED

CERTIFICATE: Final = frozenset({"certificate"})

PRESENTED: Final = Input("presented", ("request.certificate",))
# Reading the leaf first makes an unreadable one fail the policy, whatever fact is asked for.
LEAF: Final = Input(
    "leaf",
    (
        *(PRESENTED, " if ", PRESENTED, " is not None and ", PRESENTED, ".leaf and ", PRESENTED, ".parsed"),
        " else None",
    ),
)
"""The certificate if it has facts, else None. Raises ValueError for a leaf that cannot be read."""
GOOD: Final = Input("good", ("certificate_valid(", PRESENTED, ") is True"))
FINGERPRINT: Final = Input("fingerprint", (LEAF, ".fingerprint if ", LEAF, " is not None else None"))
SPKI_HASH: Final = Input("spki_hash", (LEAF, ".spki_hash if ", LEAF, " is not None else None"))
_NAMES: Final[Mapping[str, Input]] = MappingProxyType(
    {
        "san_dns": Input("dns_names", (LEAF, ".dns_names if ", LEAF, " is not None else ()")),
        "san_email": Input("emails", (LEAF, ".emails if ", LEAF, " is not None else ()")),
        "san_uri": Input("uris", (LEAF, ".uris if ", LEAF, " is not None else ()")),
    }
)

_SHORT: Final = re.compile("[0-9a-f]{64}")
_LONG: Final = re.compile("[0-9A-F]{2}(:[0-9A-F]{2}){31}")
_FINGERPRINT_HINT: Final = (
    "write 64 lower-case hexadecimal digits, or 32 upper-case pairs joined by colons, as printed by:"
    " openssl x509 -noout -fingerprint -sha256"
)
_HASH_HINT: Final = "it is 44 characters long and ends in ="


def canonical_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint of a certificate as 64 lower-case hexadecimal digits.

    Raises ValueError for anything but that form itself or 32 upper-case pairs joined by colons.
    """
    if not text:
        raise ValueError("certificate fingerprint must not be empty")
    if _SHORT.fullmatch(text):
        return text
    if _LONG.fullmatch(text):
        return text.replace(":", "").lower()
    raise ValueError("unsupported certificate fingerprint format")


def _canonical_hash(text: str) -> str:
    """A SHA-256 hash in base64. Raises ValueError."""
    if not text:
        raise ValueError("certificate SPKI hash must not be empty")
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:
        raise ValueError("certificate SPKI hash must be a base64-encoded SHA-256 hash")
    return base64.b64encode(digest).decode("ascii")


@dataclass(frozen=True)
class _Digest:
    """A condition on one digest of the certificate: it is one of those listed."""

    title: str
    left: Input
    canonical: Callable[[str], str]
    hint: str

    def condition(self, criterion: Criterion, key: str) -> Alternatives:
        wanted = criterion.data[key]
        if isinstance(wanted, str):
            return self._among([self._read(criterion, wanted, key)])
        if not isinstance(wanted, list):
            message = f"certificate {self.title} condition expects a string or array of strings"
            raise PolicyError(message, criterion.where(key), self.hint)
        return self._among([self._read(criterion, each, key, index) for index, each in enumerate(wanted)])

    def _among(self, values: list[str]) -> Alternatives:
        return Alternatives(Test.IS, self.left, frozenset(values), optional=True)

    def _read(self, criterion: Criterion, item: Any, *path: str | int) -> str:
        if not isinstance(item, str):
            message = f"certificate {self.title} must be a string (was {json.dumps(item)[:60]})"
            raise PolicyError(message, criterion.where(*path), self.hint)
        try:
            return self.canonical(item)
        except ValueError as error:
            raise PolicyError(str(error), criterion.where(*path), self.hint) from None


_DIGESTS: Final[Mapping[str, _Digest]] = MappingProxyType(
    {
        "fingerprint": _Digest("fingerprint", FINGERPRINT, canonical_fingerprint, _FINGERPRINT_HINT),
        "spki_hash": _Digest("SPKI hash", SPKI_HASH, _canonical_hash, _HASH_HINT),
    }
)
_KEYS: Final = (*_DIGESTS, *_NAMES)


def _one_or_more(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item}]}


@implementer(ICriterion)
@dataclass(frozen=True)
class PresentedCertificate:
    """``client_certificate``: conditions on the leaf, good or not; all of them must hold.

    A presented certificate of which only the presence is known meets none.
    """

    name: str = "client_certificate"
    accepts: ClassVar[str] = (
        "an object of fingerprint and spki_hash (a text, or a list of texts),"
        " san_dns, san_email and san_uri (string matchers)"
    )
    schema: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "fingerprint": _one_or_more(
                    {"type": "string", "pattern": f"^({_SHORT.pattern}|{_LONG.pattern})$"}
                ),
                "spki_hash": _one_or_more({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}),
                **{name: dict(STRING_SCHEMA) for name in _NAMES},
            },
        }
    )
    reads: frozenset[str] = CERTIFICATE

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        conditions = [_condition(criterion, key) for key in _keys(criterion)]
        when = conditions[0] if len(conditions) == 1 else _all(conditions)
        return decided(when, "client-certificate-ok", "client-certificate-unauthorized")


def _keys(criterion: Criterion) -> list[str]:
    data, hint = criterion.data, f"write one of {', '.join(_KEYS)}"
    if not isinstance(data, dict):
        raise PolicyError("expected object for certificate matcher", criterion.where(), hint)
    if not data:
        message = "client_certificate without a condition would match every certificate"
        raise PolicyError(message, criterion.where(), hint)
    for key in data:
        if key not in _KEYS:
            message = f"unsupported certificate matcher condition: {key}"
            raise PolicyError(message, criterion.where(key), did_you_mean(key, _KEYS))
    return list(data)


def _condition(criterion: Criterion, key: str) -> Expression | Alternatives:
    if digest := _DIGESTS.get(key):
        return digest.condition(criterion, key)
    parts = {path[1:]: span for path, span in criterion.parts.items() if path[:1] == (key,)}
    matcher = replace(
        criterion, sub_path=key, data=criterion.data[key], span=criterion.where(key), parts=parts
    )
    return any_text_matcher(matcher, _NAMES[key])


def _all(conditions: list[Expression | Alternatives]) -> Expression:
    expressions = [each.expression() if isinstance(each, Alternatives) else each for each in conditions]
    return tuple(piece for each in expressions for piece in (*each, " and "))[:-1]


@implementer(ICriterion)
@dataclass(frozen=True)
class InvalidCertificate:
    """``invalid_client_certificate``: what was presented, or that nothing was, breaks the rules in force.

    Without a client CA nothing does, and the criterion never holds.
    """

    name: str = "invalid_client_certificate"
    accepts: ClassVar[str] = UNUSED
    schema: ClassVar[Mapping[str, Any]] = ANYTHING
    reads: frozenset[str] = CERTIFICATE | {"time"}  # the verdict ends with the certificate

    def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
        return (
            Branch((GOOD,), False, "valid-client-certificate"),
            Branch((PRESENTED, " is None"), True, "client-certificate-required"),
            Branch(None, True, "invalid-client-certificate"),
        )


CRITERIA: Final[tuple[ICriterion, ...]] = (PresentedCertificate(), InvalidCertificate())
