"""Criteria on who logs in by SSH, and with which key (spec/ppl §4.2); off SSH there is neither."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    SSHPublicKeyTypes,
    load_ssh_public_identity,
)
from zope.interface import implementer

from policy_grammar import Criterion

from ..branches import Branch, Expression, Input, Operand, decided, decided_signed_in
from ..errors import PolicyError
from ..interface import ICriterion
from .identity import CLAIMS, EMAIL, STRICT_EMAIL
from .kinds import Condition, Text

SSH: Final = frozenset({"ssh"})
BY_NAME: Final = frozenset({"ssh", "identity"})

LOGIN: Final = Input("ssh", ("request.ssh",))
USERNAME: Final = Input("ssh_username", (LOGIN, ".username if ", LOGIN, " is not None else ''"))
KEY: Final = Input("ssh_key", (LOGIN, ".public_key if ", LOGIN, " is not None else b''"))


# An empty name would be that of every request without a session or e-mail address that is not SSH.
def _email_criterion(email: Expression) -> Condition:
    return Condition(
        "ssh_username_matches_email",
        (USERNAME, " != '' and ", USERNAME, " == ", *email, ".partition('@')[0]"),
        "ssh-username-ok",
        "ssh-username-unauthorized",
        BY_NAME,
        signed_in=True,
    )


_CERTIFICATE: Final = "-cert-v01@openssh.com"
_WEAK: Final = "ssh-dss"
_SHA1: Final = struct.pack(">I", 7) + b"ssh-rsa"
_KEY_HINT: Final = "write the key alone, as in a .pub file: ssh-ed25519 AAAA… name"

_TEXT: Final = {"type": "string"}
_KEYS_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
)


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """A key as a policy writes it."""

    kind: str
    """Its type, the first word of the line."""
    wire: bytes
    """RFC 4253 §6.6."""
    read: SSHCertificate | SSHPublicKeyTypes


@implementer(ICriterion)
@dataclass(frozen=True)
class PublicKey:
    """``ssh_publickey``: the key is one of those listed, byte for byte."""

    name: str = "ssh_publickey"
    accepts: ClassVar[str] = "a public key as in a .pub file, or a list of them"
    schema: ClassVar[Mapping[str, Any]] = _KEYS_SCHEMA
    reads: frozenset[str] = SSH

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        keys = frozenset(each.wire for each in _keys(criterion))
        return decided((KEY, " in ", Operand(keys)), "ssh-publickey-ok", "ssh-publickey-unauthorized")


@dataclass(frozen=True, slots=True)
class _Authorities:
    """Those whose user certificates let their bearers in."""

    keys: frozenset[bytes]

    def admit(self, wire: bytes, username: str, address: str, now: float) -> bool:
        """Whether a key is a certificate of theirs for that user, at that time, from that IP address.

        A certificate without principals is good for any user. Raises ValueError or UnsupportedAlgorithm for
        a key that cannot be read: it could be anything.
        """
        kind = _kind(wire)
        if not kind.endswith(_CERTIFICATE):
            return False
        certificate = load_ssh_public_identity(f"{kind} ".encode() + base64.b64encode(wire))
        if not isinstance(certificate, SSHCertificate) or certificate.type is not SSHCertificateType.USER:
            return False
        return (
            self._signed(certificate, wire)
            and certificate.valid_after <= now < certificate.valid_before
            and (not certificate.valid_principals or username.encode() in certificate.valid_principals)
            and _options_hold(certificate.critical_options, address)
        )

    def _signed(self, certificate: SSHCertificate, wire: bytes) -> bool:
        key = certificate.signature_key()
        if key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) not in self.keys:
            return False
        if isinstance(key, RSAPublicKey):
            # The signature comes last, its algorithm before it: SHA-1 proves nothing any more.
            length = (key.key_size + 7) // 8
            if wire[: -length - 4].endswith(_SHA1):
                return False
        try:
            certificate.verify_cert_signature()
        except InvalidSignature:
            return False
        return True


def _kind(wire: bytes) -> str:
    """The type of a key in the wire format; "" of no key. Raises ValueError."""
    if not wire:
        return ""
    length = int.from_bytes(wire[:4], "big")
    if not 0 < length <= 64 or len(wire) < 4 + length:
        raise ValueError("the SSH key cannot be read")
    return wire[4 : 4 + length].decode("ascii")


def _options_hold(options: Mapping[bytes, bytes], address: str) -> bool:
    """Whether the critical options of a certificate are known here and met. Raises ValueError."""
    for name, value in options.items():
        if name != b"source-address":
            return False
        peer = ipaddress.ip_address(address)
        networks = (ipaddress.ip_network(each, strict=False) for each in value.decode("ascii").split(","))
        if not any(peer in network for network in networks):
            return False
    return True


@implementer(ICriterion)
@dataclass(frozen=True)
class Authority:
    """``ssh_ca``: the key is a user certificate, signed by one of the authorities, that names the user."""

    name: str = "ssh_ca"
    accepts: ClassVar[str] = "the public key of an authority as in a .pub file, or a list of them"
    schema: ClassVar[Mapping[str, Any]] = _KEYS_SCHEMA
    reads: frozenset[str] = frozenset({"ssh", "time", "address"})

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        authorities = _Authorities(frozenset(_authority(criterion, *each) for each in _placed(criterion)))
        # An input, not a condition: what may raise is always computed.
        admitted = Input(
            "admitted",
            (Operand(authorities.admit), "(", KEY, ", ", USERNAME, ", request.peer.address, now())"),
        )
        return decided((admitted,), "ssh-publickey-ok", "ssh-publickey-unauthorized")


@implementer(ICriterion)
@dataclass(frozen=True)
class UsernameClaim:
    """``ssh_username_matches_claim``: the user name is among the values of a claim."""

    name: str = "ssh_username_matches_claim"
    accepts: ClassVar[str] = "the name of a claim"
    schema: ClassVar[Mapping[str, Any]] = MappingProxyType({"type": "string", "minLength": 1})
    reads: frozenset[str] = BY_NAME

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        name = criterion.data
        if not isinstance(name, str) or not name:
            message = "ssh_username_matches_claim: expected string value"
            raise PolicyError(message, criterion.where(), "write the name of one claim")
        values: Expression = (CLAIMS, ".get(", Operand(name), ", ())")
        when: Expression = (USERNAME, " != '' and ", USERNAME, " in ", *values)
        return decided_signed_in(when, "ssh-username-ok", "ssh-username-unauthorized")


def _placed(criterion: Criterion) -> list[tuple[Any, tuple[int, ...]]]:
    """The texts of a criterion that accepts one or a list, with their places in its data."""
    data = criterion.data
    if isinstance(data, str):
        return [(data, ())]
    if isinstance(data, list):
        return [(each, (index,)) for index, each in enumerate(data)]
    message = f"{criterion.name}: expected string or array of strings"
    raise PolicyError(message, criterion.where(), _KEY_HINT)


def _keys(criterion: Criterion) -> list[_PublicKey]:
    return [_key(criterion, text, path) for text, path in _placed(criterion)]


def _key(criterion: Criterion, text: Any, path: tuple[int, ...]) -> _PublicKey:
    place = criterion.where(*path)
    if not isinstance(text, str):
        raise PolicyError(f"{criterion.name}: expected string value", place, _KEY_HINT)
    words = text.split()
    if words and words[0] == _WEAK:
        raise PolicyError(
            f"{criterion.name}: DSA keys are too weak to be accepted", place, "make an ssh-ed25519 key"
        )
    if len(text.strip().splitlines()) > 1:
        raise PolicyError(f"{criterion.name}: more than one line", place, "write a list with one key each")
    try:
        kind, encoded, *_ = words
        wire = base64.b64decode(encoded, validate=True)
        read = load_ssh_public_identity(f"{kind} {encoded}".encode("ascii"))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        message = f"{criterion.name}: this is not a public SSH key"
        raise PolicyError(message, place, _KEY_HINT) from None
    return _PublicKey(kind, wire, read)


def _authority(criterion: Criterion, text: Any, path: tuple[int, ...]) -> bytes:
    """The key of an authority as certificates name it."""
    key = _key(criterion, text, path)
    if isinstance(key.read, SSHCertificate):
        message, hint = "ssh_ca: a certificate is no authority", "write the key that signed it"
        raise PolicyError(message, criterion.where(*path), hint)
    if key.kind.startswith("sk-"):
        message = "ssh_ca: signatures by security keys (sk-…) cannot be checked"
        raise PolicyError(message, criterion.where(*path), "sign with a key that is not on a security key")
    return key.read.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


CRITERIA: Final[tuple[ICriterion, ...]] = (
    Text("ssh_username", USERNAME, "ssh-username", SSH),
    _email_criterion((EMAIL,)),
    UsernameClaim(),
    PublicKey(),
    Authority(),
)

STRICT: Final[tuple[ICriterion, ...]] = (_email_criterion(("(", STRICT_EMAIL, " or '')")),)
"""What takes the place of criteria under ``strict_policy``."""
