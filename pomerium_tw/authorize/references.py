"""What the references of header templates stand for (spec/ppl §7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..model import HEADER_REFERENCE, ClientCertificate, Head, Reference, Request, is_known
from .proof import Proof

_CLEANED = frozenset((b"cookie", b"authorization"))
"""Headers that may hold our own credentials: a template sees of them what the upstream may see."""
_NEVER = frozenset((b"x-pomerium-authorization",))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a known reference stands for."""

    value: Callable[[Request, Proof], str | bytes]
    of_request: bool
    """It differs from one request of the same caller to the next."""


def comma_list(values: Iterable[str]) -> str:
    """Values joined by commas; one that holds a comma itself would read as two, and is left out."""
    return ",".join(value for value in values if "," not in value)


def meaning_of(reference: Reference) -> Meaning | None:
    """None where there is no such reference: it stands for nothing."""
    if not is_known(reference):
        return None
    if reference in _KNOWN:
        return _KNOWN[reference]
    return Meaning(_header(reference[len(HEADER_REFERENCE)].lower().encode()), of_request=True)


def _header(name: bytes) -> Callable[[Request, Proof], bytes]:
    if name in _NEVER:
        return lambda _request, _proof: b""
    if name in _CLEANED:
        return lambda request, _proof: _passed(request.head, name)
    return lambda request, _proof: request.head.get(name) or b""


def _passed(head: Head, name: bytes) -> bytes:
    """The values of a header that travel on."""
    pairs = [line.partition(b":") for line in head.passed.split(b"\r\n")]
    return b", ".join(value.strip() for found, _colon, value in pairs if found.lower() == name)


def _fact(fact: Callable[[ClientCertificate], str]) -> Meaning:
    def value(request: Request, _proof: Proof) -> str:
        if request.certificate is None or not request.certificate.leaf:
            return ""
        try:
            return fact(request.certificate)
        except ValueError:
            return ""  # a leaf that cannot be read has no names

    return Meaning(value, of_request=True)


_KNOWN: Mapping[Reference, Meaning] = {
    ("pomerium", "access_token"): Meaning(
        lambda _request, proof: proof.tokens.access_token.reveal(), of_request=False
    ),
    ("pomerium", "id_token"): Meaning(
        lambda _request, proof: proof.tokens.id_token.reveal(), of_request=False
    ),
    ("pomerium", "jwt"): Meaning(lambda _request, proof: proof.assertion, of_request=False),
    ("pomerium", "client_cert_fingerprint"): _fact(lambda certificate: certificate.fingerprint),
    ("pomerium", "client_cert_san_dns"): _fact(lambda certificate: comma_list(certificate.dns_names)),
    ("pomerium", "client_cert_san_email"): _fact(lambda certificate: comma_list(certificate.emails)),
}
