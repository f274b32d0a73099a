"""Lists of revoked certificates, as files hold them (spec/proxy §4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .errors import TLSError

_BEGIN: Final = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class _List:
    crl: x509.CertificateRevocationList
    serials: frozenset[int]

    def signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether the issuer made it, and may make one (RFC 5280 §6.3.3 f and g)."""
        try:
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            usage = None
        if usage is not None and not usage.crl_sign:
            return False
        try:
            # A key of a kind that signs no lists is a TypeError.
            return self.crl.is_signature_valid(issuer.public_key()) is True  # type: ignore[arg-type]
        except (TypeError, ValueError, UnsupportedAlgorithm):
            return False


class RevocationLists:
    """CRLs by issuer. They hold until others are loaded: their dates are not looked at."""

    def __init__(self, pem: bytes) -> None:
        """``pem``: any number of CRLs and nothing else. Raises TLSError."""
        self._by_issuer: dict[x509.Name, list[_List]] = {}
        before, *bodies = pem.split(_BEGIN)
        if b"-----BEGIN " in before or (before.strip() and not bodies):
            raise TLSError("the revocation lists are not PEM of X509 CRLs")
        for body in bodies:
            found = _read(_BEGIN + body)
            self._by_issuer.setdefault(found.crl.issuer, []).append(found)

    def permit(self, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Whether no list of the issuer has the leaf.

        Where lists carry the issuer's name and none is signed by it, nobody knows: then the answer is no.
        """
        named = self._by_issuer.get(leaf.issuer, [])
        lists = [each for each in named if each.signed_by(issuer)]
        return bool(lists) == bool(named) and not any(leaf.serial_number in each.serials for each in lists)


def _read(pem: bytes) -> _List:
    try:
        if pem.count(b"-----BEGIN ") != 1:
            raise ValueError("something else stands behind it")
        crl = x509.load_pem_x509_crl(pem)
        if reason := _unusable(crl):
            raise TLSError(f"a revocation list cannot be used: {reason}")
        return _List(crl, frozenset(each.serial_number for each in crl))
    except TLSError:
        raise
    except Exception as error:  # cryptography's own errors have no common base
        raise TLSError("a revocation list cannot be read") from error


def _unusable(crl: x509.CertificateRevocationList) -> str:
    """Why the list does not say what a plain one says; "" if it does."""
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            return "it is a delta to another list"
        if isinstance(value, x509.IssuingDistributionPoint) and value.indirect_crl:
            return "it lists certificates of other issuers"
        if isinstance(value, x509.UnrecognizedExtension) and extension.critical:
            return f"its critical extension {value.oid.dotted_string} is not known here"
    return ""
