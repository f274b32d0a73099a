"""Whether a certificate that a client presented is any good (spec/proxy §4.4, spec/ppl §4.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from ..model import ClientCertificate
from .errors import TLSError
from .revocation import RevocationLists
from .subject_names import SubjectNamePatterns

DEFAULT_DEPTH: Final = 1
"""Certificates above the leaf, the anchor included: 1 asks for leaves that an anchor signed itself."""
MAX_AGE: Final = 60.0
"""Seconds that an answer is kept. One that is good ends with the first certificate of its chain to expire."""
MAX_INTERMEDIATES: Final = 16
"""Certificates sent along with the leaf that are looked at."""
MIN_RSA_BITS: Final = 2048
"""Bits of an RSA key in a client's chain at least."""

_FOR_CLIENTS: Final = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
_UNREADABLE: Final = (
    ValueError,
    crypto.Error,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

Chain = list[x509.Certificate]


class ClientCertificateVerifier:
    """The client authorities and what else is asked of a certificate; OpenSSL verifies the chains."""

    def __init__(
        self,
        ca: bytes,
        crl: bytes = b"",
        *,
        max_verify_depth: int = DEFAULT_DEPTH,
        subject_alt_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
        now: Callable[[], float] = time.time,
    ) -> None:
        """``ca`` and ``crl`` are PEM of one or more; every certificate of ``ca`` is an anchor, self-signed or
        not. ``max_verify_depth`` 0 sets no limit. ``subject_alt_names``: patterns by type of name. ``now``:
        seconds since the epoch. Raises TLSError.
        """
        self._anchors = _anchors(ca)
        self._revoked = RevocationLists(crl)
        self._names = SubjectNamePatterns(subject_alt_names)
        if max_verify_depth < 0:
            raise TLSError("max_verify_depth is the length of a chain: 0 for any, else 1 or more")
        self._max_depth = max_verify_depth
        self._now = now
        # Answers live no longer than the connections that hold the certificates.
        self._known: WeakKeyDictionary[ClientCertificate, tuple[float, float, bool]] = WeakKeyDictionary()

    def valid(self, certificate: ClientCertificate | None) -> bool:
        """False where nothing was presented. Raises ValueError for a leaf that cannot be read."""
        if certificate is None or not certificate.leaf:
            return False
        now = self._now()
        known = self._known.get(certificate)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        try:
            chain = self._chain(certificate, now)
        except _UNREADABLE as error:
            raise ValueError("the client certificate cannot be read") from error
        until = min([now + MAX_AGE, *(each.not_valid_after_utc.timestamp() for each in chain or ())])
        self._known[certificate] = (now, until, chain is not None)
        return chain is not None

    def _chain(self, certificate: ClientCertificate, now: float) -> Chain | None:
        """The first chain to an anchor that meets all conditions."""
        leaf = certificate.parsed
        intermediates = _readable(certificate.intermediates[:MAX_INTERMEDIATES])
        issuers = {each.issuer for each in (leaf, *intermediates)}
        if not self._names.match(certificate):
            return None
        # One anchor at a time: OpenSSL finds one chain, and another may be the shorter or not revoked.
        for anchor in self._anchors:
            if anchor.subject in issuers or anchor == leaf:
                chain = _verified(leaf, intermediates, anchor, now)
                if chain and self._accepts(chain):
                    return chain
        return None

    def _accepts(self, chain: Chain) -> bool:
        leaf, issuer = chain[0], chain[min(1, len(chain) - 1)]
        return (
            (self._max_depth == 0 or len(chain) - 1 <= self._max_depth)
            and all(_for_clients(each) and _strong_key(each) for each in chain)
            and not any(_signed_weakly(each) for each in chain[:-1])
            and self._revoked.permit(leaf, issuer)
        )


def _anchors(pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        found = x509.load_pem_x509_certificates(pem)
        for each in found:
            crypto.X509.from_cryptography(each)
            each.subject  # noqa: B018 - names are read late
    except _UNREADABLE as error:
        raise TLSError("the client authorities are not a list of PEM certificates") from error
    return tuple(dict.fromkeys(found))


def _readable(ders: Sequence[bytes]) -> list[x509.Certificate]:
    """What cannot be read can be no link of a chain."""
    found = []
    for der in ders:
        try:
            certificate = x509.load_der_x509_certificate(der)
            crypto.X509.from_cryptography(certificate)
            certificate.issuer  # noqa: B018 - names are read late
        except _UNREADABLE:
            continue
        found.append(certificate)
    return found


def _verified(
    leaf: x509.Certificate, intermediates: Chain, anchor: x509.Certificate, now: float
) -> Chain | None:
    """The chain of signatures from the leaf to the anchor, every certificate in its time (RFC 5280 §6)."""
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(datetime.fromtimestamp(now, UTC))
    store.add_cert(crypto.X509.from_cryptography(anchor))
    sent = [crypto.X509.from_cryptography(each) for each in intermediates]
    context = crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf), sent)
    try:
        return [each.to_cryptography() for each in context.get_verified_chain()]
    except crypto.X509StoreContextError:
        return None


def _for_clients(certificate: x509.Certificate) -> bool:
    """A certificate that names no usage is good for any; one above the leaf restricts those below."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not _FOR_CLIENTS.isdisjoint(usages)


def _strong_key(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return not isinstance(key, RSAPublicKey) or key.key_size >= MIN_RSA_BITS


def _signed_weakly(certificate: x509.Certificate) -> bool:
    try:
        return isinstance(certificate.signature_hash_algorithm, MD5 | SHA1)
    except UnsupportedAlgorithm:
        return True
