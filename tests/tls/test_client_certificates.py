from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pomerium_tw.model import ClientCertificate
from pomerium_tw.tls import ClientCertificateVerifier, TLSError
from pomerium_tw.tls.client_certificates import MAX_AGE
from pomerium_tw.tls.subject_names import USER_PRINCIPAL_NAME, utf8_string

from . import old_signatures

START = datetime(2030, 1, 1, tzinfo=UTC)
NOW = START.timestamp() + 3600
CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
CONFORMANCE = Path(__file__).parent.parent / "conformance" / "ppl-cases.jsonl"
CASES = [
    case
    for case in map(json.loads, CONFORMANCE.read_text("utf-8").splitlines())
    if case["kind"] == "client_cert_validity"
]

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


class Issued:
    """A certificate with its key, which may sign others."""

    def __init__(
        self,
        name: str,
        issuer: Issued | None = None,
        *,
        authority: bool = False,
        path_length: int | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (),
        names: Sequence[x509.GeneralName] = (),
        days: int = 30,
        key: Key | None = None,
        crl_sign: bool | None = None,
    ) -> None:
        self.key: Key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.issuer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.issuer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(START + timedelta(days=days))
        )
        if authority:
            builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        if crl_sign is not None:
            usage = x509.KeyUsage(True, False, False, False, False, True, crl_sign, False, False)
            builder = builder.add_extension(usage, critical=True)
        self.certificate = builder.sign(self.issuer.key, SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)
        self.der = self.certificate.public_bytes(Encoding.DER)

    def crl(self, *revoked: Issued, extension: x509.ExtensionType | None = None, days: int = 1) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(START)
            .next_update(START + timedelta(days=days))
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(START).build())
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def presented(leaf: Issued, *intermediates: Issued) -> ClientCertificate:
    return ClientCertificate(leaf.der, tuple(each.der for each in intermediates))


def valid(
    certificate: ClientCertificate | Issued, ca: bytes, crl: bytes = b"", at: float = NOW, **rules: Any
) -> bool:
    verifier = ClientCertificateVerifier(ca, crl, now=lambda: at, **rules)
    return verifier.valid(presented(certificate) if isinstance(certificate, Issued) else certificate)


ROOT = Issued("Root", authority=True)
MIDDLE = Issued("Middle", ROOT, authority=True)
LEAF = Issued("leaf", ROOT, usages=CLIENT)
DEEP = Issued("deep", MIDDLE, usages=CLIENT)


def from_pem(pem: str) -> bytes:
    """DER; what is not PEM stays what it is, for the verifier to refuse."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return pem.encode()


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_conformance(case: dict[str, Any]) -> None:
    given, expect = case["input"], case["expect"]
    verifier = ClientCertificateVerifier(
        given["ca_pem"].encode(),
        given["crl_pem"].encode(),
        max_verify_depth=given["max_verify_depth"],
        subject_alt_names={kind: [pattern] for kind, pattern in given["san_matchers"].items()},
        now=lambda: NOW,
    )
    sent = given["intermediates_pem"].encode()
    intermediates = x509.load_pem_x509_certificates(sent) if sent else []
    certificate = ClientCertificate(
        from_pem(given["leaf_pem"]), tuple(each.public_bytes(Encoding.DER) for each in intermediates)
    )
    if expect["error"]:
        with pytest.raises(ValueError, match="cannot be read"):
            verifier.valid(certificate)
    else:
        assert verifier.valid(certificate) is expect["valid"]


def test_every_case_is_here() -> None:
    assert len(CASES) == 18


def test_nothing_and_a_certificate_of_which_only_the_presence_is_known_are_not_valid() -> None:
    verifier = ClientCertificateVerifier(ROOT.pem)
    assert verifier.valid(None) is False
    assert verifier.valid(ClientCertificate(b"")) is False


def test_a_certificate_of_a_trusted_authority_by_another_program() -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("someone@example.com").cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER)
    assert ClientCertificateVerifier(authority.cert_pem.bytes()).valid(ClientCertificate(der))
    assert not ClientCertificateVerifier(trustme.CA().cert_pem.bytes()).valid(ClientCertificate(der))


def test_an_authority_of_the_same_name_is_not_the_same_authority() -> None:
    impostor = Issued("Root", authority=True)
    forged = Issued("forged", impostor, usages=CLIENT)
    assert not valid(forged, ROOT.pem)
    assert valid(forged, ROOT.pem + impostor.pem)
    assert valid(forged, impostor.pem + ROOT.pem)


def test_a_self_signed_certificate_is_not_valid_unless_it_is_an_anchor() -> None:
    own = Issued("own", usages=CLIENT)
    assert not valid(own, ROOT.pem)
    assert valid(own, ROOT.pem + own.pem)
    assert not valid(own, own.pem, at=NOW + 31 * 86400)


@pytest.mark.parametrize("days", [-1, 31])
def test_a_certificate_is_valid_in_its_time_only(days: int) -> None:
    assert not valid(LEAF, ROOT.pem, at=NOW + days * 86400)


def test_an_expired_authority_vouches_for_nobody() -> None:
    old = Issued("Old", authority=True, days=10)
    assert valid(Issued("leaf", old), old.pem)
    assert not valid(Issued("leaf", old), old.pem, at=NOW + 11 * 86400)


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([], True),
        (CLIENT, True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION], False),
    ],
)
def test_a_certificate_is_for_clients(usages: list[x509.ObjectIdentifier], expected: bool) -> None:
    assert valid(Issued("leaf", ROOT, usages=usages), ROOT.pem) is expected


def test_an_authority_for_servers_makes_no_certificates_for_clients() -> None:
    servers = Issued("Servers", ROOT, authority=True, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = Issued("leaf", servers, usages=CLIENT)
    assert not valid(presented(leaf, servers), ROOT.pem, max_verify_depth=0)
    assert not valid(leaf, servers.pem)


def test_a_leaf_signs_no_certificates() -> None:
    forged = Issued("forged", LEAF, usages=CLIENT)
    assert not valid(presented(forged, LEAF), ROOT.pem, max_verify_depth=0)
    assert not valid(forged, LEAF.pem)


def test_an_authority_that_may_sign_leaves_only() -> None:
    narrow = Issued("Narrow", authority=True, path_length=0)
    middle = Issued("Middle", narrow, authority=True)
    leaf = Issued("leaf", middle, usages=CLIENT)
    assert not valid(presented(leaf, middle), narrow.pem, max_verify_depth=0)


def test_depth_counts_the_certificates_above_the_leaf() -> None:
    with_middle = presented(DEEP, MIDDLE)
    assert [valid(with_middle, ROOT.pem, max_verify_depth=depth) for depth in (0, 1, 2)] == [
        True,
        False,
        True,
    ]
    assert not valid(with_middle, ROOT.pem), "one is the default"
    assert valid(LEAF, ROOT.pem)


def test_an_intermediate_in_the_bundle_is_an_anchor() -> None:
    assert valid(DEEP, MIDDLE.pem)
    assert valid(presented(DEEP, MIDDLE), ROOT.pem + MIDDLE.pem), "the shorter of two chains is enough"
    assert not valid(DEEP, ROOT.pem, max_verify_depth=0), "a client presents its intermediates"


def test_an_intermediate_that_cannot_be_read_is_passed_over() -> None:
    certificate = ClientCertificate(DEEP.der, (b"nonsense", MIDDLE.der))
    assert valid(certificate, ROOT.pem, max_verify_depth=2)


def test_a_leaf_that_cannot_be_read_is_an_error_every_time() -> None:
    verifier = ClientCertificateVerifier(ROOT.pem)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be read"):
            verifier.valid(ClientCertificate(b"nonsense"))


def test_short_keys_prove_nothing() -> None:
    assert valid(Issued("leaf", ROOT, key=rsa_key(2048)), ROOT.pem)
    assert not valid(Issued("leaf", ROOT, key=rsa_key(1024)), ROOT.pem)


def test_signatures_by_sha_1_prove_nothing() -> None:
    def accepts(leaf: bytes) -> bool:
        return valid(ClientCertificate(from_pem(leaf.decode())), old_signatures.AUTHORITY)

    assert not accepts(old_signatures.SHA1_LEAF)
    assert accepts(old_signatures.SHA256_LEAF), "nobody looks at an anchor's own signature"


# --- revocation


def test_a_revoked_certificate() -> None:
    other = Issued("other", ROOT, usages=CLIENT)
    crl = ROOT.crl(other, LEAF)
    assert not valid(LEAF, ROOT.pem, crl)
    assert valid(LEAF, ROOT.pem, ROOT.crl(other))
    assert valid(LEAF, ROOT.pem, ROOT.crl())
    assert not valid(LEAF, ROOT.pem, ROOT.crl(other) + crl), "any list of the issuer revokes"


def test_the_dates_of_a_list_are_not_looked_at() -> None:
    crl = ROOT.crl(LEAF, days=2)
    assert not valid(LEAF, ROOT.pem, crl, at=NOW + 20 * 86400)
    assert valid(Issued("other", ROOT), ROOT.pem, crl, at=NOW + 20 * 86400)


def test_a_list_by_an_impostor_with_the_issuers_name() -> None:
    impostor = Issued("Root", authority=True)
    assert not valid(LEAF, ROOT.pem, impostor.crl()), "nobody knows what the issuer has revoked"
    assert valid(LEAF, ROOT.pem, impostor.crl(LEAF) + ROOT.crl()), "the issuer's own list decides"
    assert not valid(LEAF, ROOT.pem, impostor.crl() + ROOT.crl(LEAF))


def test_only_the_issuer_of_the_leaf_revokes_it() -> None:
    chain = presented(DEEP, MIDDLE)
    assert valid(chain, ROOT.pem, ROOT.crl(MIDDLE), max_verify_depth=2)
    assert not valid(chain, ROOT.pem, ROOT.crl() + MIDDLE.crl(DEEP), max_verify_depth=2)
    assert valid(LEAF, ROOT.pem, MIDDLE.crl(LEAF))


def test_an_issuer_that_may_not_sign_lists() -> None:
    silent = Issued("Silent", authority=True, crl_sign=False)
    speaking = Issued("Speaking", authority=True, crl_sign=True)
    assert not valid(Issued("leaf", silent), silent.pem, silent.crl())
    assert valid(Issued("leaf", speaking), speaking.pem, speaking.crl())


def test_a_leaf_that_is_an_anchor_and_has_been_revoked() -> None:
    assert valid(LEAF, LEAF.pem)
    assert not valid(LEAF, LEAF.pem + ROOT.pem, ROOT.crl(LEAF))
    assert not valid(LEAF, LEAF.pem, ROOT.crl()), "nobody can tell whose list that is"


# --- subject alternative names

NAMED = Issued(
    "named",
    ROOT,
    names=[
        x509.DNSName("a.example.com"),
        x509.RFC822Name("ann@example.com"),
        x509.UniformResourceIdentifier("spiffe://example.com/a"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.IPAddress(ipaddress.ip_address("2001:DB8:0:0::7")),
        x509.IPAddress(ipaddress.ip_address("::ffff:198.51.100.1")),
        x509.OtherName(USER_PRINCIPAL_NAME, b"\x0c\x0aann@corp.x"),
    ],
)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ({"dns": [r"a\.example\.com"]}, True),
        ({"dns": [r".*\.example\.com"]}, True),
        ({"dns": ["example"]}, False),
        ({"email": [r"ann@example\.com"]}, True),
        ({"uri": ["spiffe://example.com/.*"]}, True),
        ({"user_principal_name": [r".*@corp\.x"]}, True),
        ({"ip_address": [r"192\.0\.2\.7"]}, True),
        ({"ip_address": ["2001:db8::7"]}, True),
        ({"ip_address": [r"198\.51\.100\.1"]}, True),
        ({"ip_address": ["2001:db8:0:0::7"]}, False),
        ({"dns": ["nobody"], "email": ["nobody"]}, False),
        ({"dns": ["nobody"], "email": ["ann@.*"]}, True),
        ({"dns": ["nobody", "a.*"]}, True),
        ({}, True),
    ],
)
def test_one_name_that_matches_is_enough(patterns: Mapping[str, Sequence[str]], expected: bool) -> None:
    assert valid(NAMED, ROOT.pem, subject_alt_names=patterns) is expected


@pytest.mark.parametrize("name", ["a.example.com.evil.test", "evil.a.example.com", "x.a.y"])
def test_each_of_several_patterns_matches_the_whole_name(name: str) -> None:
    leaf = Issued("leaf", ROOT, names=[x509.DNSName(name)])
    patterns = {"dns": [r"a\.example\.com", "a", r"a\.example\.com"]}
    assert not valid(leaf, ROOT.pem, subject_alt_names=patterns)


def test_a_certificate_without_names_matches_no_pattern() -> None:
    assert not valid(LEAF, ROOT.pem, subject_alt_names={"dns": [".*"], "ip_address": [".*"]})


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (b"\x0c\x04test", "test"),
        (b"\x0c\x02\xc3\xa9", "é"),
        (b"\x0c\x00", ""),
        (b"\x0c\x05test", None),
        (b"\x0c\x03test", None),
        (b"\x13\x04test", None),
        (b"\x0c\x82\x00", None),
        (b"\x0c\x02\xff\xfe", None),
        (b"\x0c", None),
        (b"", None),
    ],
)
def test_a_principal_name_is_utf_8_text(der: bytes, text: str | None) -> None:
    assert utf8_string(der) == text


def test_principal_names_short_and_long() -> None:
    for text in ("test", "x" * 200, "x" * 70_000):
        body = text.encode()
        size = len(body)
        length = bytes([size]) if size < 128 else b"\x83" + size.to_bytes(3, "big")
        if 127 < size < 256:
            length = b"\x81" + bytes([size])
        name = x509.OtherName(USER_PRINCIPAL_NAME, b"\x0c" + length + body)
        assert _accepts_principal(Issued("leaf", ROOT, names=[name]))


def test_other_names_of_another_type_are_not_principal_names() -> None:
    for kind, der in (
        (x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x04test"),
        (USER_PRINCIPAL_NAME, b"\x05\x00"),
    ):
        assert not _accepts_principal(Issued("leaf", ROOT, names=[x509.OtherName(kind, der)]))


def _accepts_principal(leaf: Issued) -> bool:
    return valid(leaf, ROOT.pem, subject_alt_names={"user_principal_name": ["(?s).*"]})


# --- settings that cannot be used


@pytest.mark.parametrize("pem", [b"", b"nonsense", LEAF.pem[:80], ROOT.crl()])
def test_authorities_that_cannot_be_read(pem: bytes) -> None:
    with pytest.raises(TLSError, match="not a list of PEM certificates"):
        ClientCertificateVerifier(pem)


@pytest.mark.parametrize("pem", [b"nonsense", ROOT.pem, ROOT.pem + ROOT.crl()])
def test_revocation_lists_that_are_none(pem: bytes) -> None:
    with pytest.raises(TLSError, match="not PEM of X509 CRLs"):
        ClientCertificateVerifier(ROOT.pem, pem)


@pytest.mark.parametrize("pem", [ROOT.crl()[:120], ROOT.crl()[:120] + ROOT.crl(), ROOT.crl() + ROOT.pem])
def test_revocation_lists_that_cannot_be_read(pem: bytes) -> None:
    with pytest.raises(TLSError, match="cannot be read"):
        ClientCertificateVerifier(ROOT.pem, pem)


@pytest.mark.parametrize(
    ("extension", "why"),
    [
        (x509.DeltaCRLIndicator(1), "delta"),
        (x509.IssuingDistributionPoint(None, None, False, False, None, True, False), "other issuers"),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), "1.2.3.4"),
    ],
)
def test_revocation_lists_that_say_something_else(extension: x509.ExtensionType, why: str) -> None:
    with pytest.raises(TLSError, match=why):
        ClientCertificateVerifier(ROOT.pem, ROOT.crl(LEAF, extension=extension))


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"subject_alt_names": {"dns": ["("]}}, "not a regular expression"),
        ({"subject_alt_names": {"dns": ["(?=x)"]}}, "not a regular expression"),
        ({"subject_alt_names": {"dns_name": ["x"]}}, "known are: dns, email"),
        ({"subject_alt_names": {"dns": []}}, "no pattern"),
        ({"max_verify_depth": -1}, "max_verify_depth"),
    ],
)
def test_rules_that_cannot_be_used(rules: dict[str, Any], why: str) -> None:
    with pytest.raises(TLSError, match=why):
        ClientCertificateVerifier(ROOT.pem, **rules)


# --- what is remembered


class Hours:
    now = NOW


def counted(verifier: ClientCertificateVerifier, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which chains are really built."""
    built: list[float] = []
    check = verifier._chain

    def chain(certificate: ClientCertificate, now: float) -> Any:
        built.append(now)
        return check(certificate, now)

    monkeypatch.setattr(verifier, "_chain", chain)
    return built


def test_an_answer_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours()
    verifier = ClientCertificateVerifier(ROOT.pem, now=lambda: hours.now)
    built = counted(verifier, monkeypatch)
    leaf, again, deep = presented(LEAF), presented(LEAF), presented(DEEP)
    for certificate in (leaf, again, deep, deep, leaf):
        verifier.valid(certificate)
    assert built == [NOW, NOW]
    for step in (MAX_AGE - 1, MAX_AGE, -1):
        hours.now = NOW + step
        assert verifier.valid(leaf)
    assert built == [NOW, NOW, NOW + MAX_AGE, NOW - 1], "a clock that was set back counts too"


def test_a_certificate_expires_to_the_second() -> None:
    hours = Hours()
    verifier = ClientCertificateVerifier(ROOT.pem, now=lambda: hours.now)
    certificate = presented(LEAF)
    end = LEAF.certificate.not_valid_after_utc.timestamp()
    hours.now = end - 1
    assert verifier.valid(certificate)
    hours.now = end + 1
    assert not verifier.valid(certificate)


def test_the_same_leaf_with_other_intermediates_is_another_question() -> None:
    verifier = ClientCertificateVerifier(ROOT.pem, max_verify_depth=2, now=lambda: NOW)
    alone, helped = presented(DEEP), presented(DEEP, MIDDLE)
    assert not verifier.valid(alone)
    assert verifier.valid(helped)


def test_answers_go_with_their_connections() -> None:
    verifier = ClientCertificateVerifier(ROOT.pem, now=lambda: NOW)
    certificate = presented(LEAF)
    verifier.valid(certificate)
    assert len(verifier._known) == 1
    del certificate
    assert not verifier._known
