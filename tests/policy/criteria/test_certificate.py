from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from policy_grammar import PolicySyntaxError, parse_data, parse_text
from pomerium_tw.model import ANONYMOUS, ClientCertificate
from pomerium_tw.policy import (
    BUILT_IN,
    CRITERION_ERROR,
    Environment,
    Evaluation,
    canonical_fingerprint,
    compile_policy,
)
from pomerium_tw.tls import ClientCertificateVerifier

from .cases import Case, asked, caller, cases, check_error, check_outcome

SHORT = "0123456789abcdef" * 4
LONG = ":".join(SHORT[i : i + 2] for i in range(0, 64, 2)).upper()
HASH = base64.b64encode(bytes(32)).decode()
Valid = Callable[[ClientCertificate | None], bool]


def made(*names: x509.GeneralName) -> ClientCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    start = datetime(2030, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return ClientCertificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


NAMELESS = made()
NAMED = made(
    x509.DNSName("a.one.test"),
    x509.DNSName("b.two.test"),
    x509.RFC822Name("ann@one.test"),
    x509.UniformResourceIdentifier("spiffe://one.test/ann"),
)


def decided(ppl: Any, certificate: ClientCertificate | None, valid: Valid = lambda _: True) -> Evaluation:
    compiled = compile_policy([parse_data(ppl)], environment=Environment(certificate_valid=valid))
    return compiled.evaluate(asked(certificate=certificate), ANONYMOUS)


def matches(data: Any, certificate: ClientCertificate | None) -> bool:
    found = decided({"allow": {"or": [{"client_certificate": data}]}}, certificate)
    reason = "client-certificate-ok" if found.allow else "client-certificate-unauthorized"
    assert found.allow_reasons == {reason}
    return found.allow


def refused(data: Any) -> str:
    with pytest.raises(PolicySyntaxError) as caught:
        decided({"allow": {"or": [{"client_certificate": data}]}}, None)
    return str(caught.value)


def certificate_of(given: Case) -> ClientCertificate | None:
    facts = given.get("request", {}).get("client_certificate", {})
    if not facts.get("presented"):
        return None
    leaf = facts.get("leaf", "")
    der = x509.load_pem_x509_certificate(leaf.encode()).public_bytes(Encoding.DER) if leaf else b""
    return ClientCertificate(der)


@pytest.mark.parametrize("case", cases("fingerprint", ""))
def test_conformance_of_fingerprints(case: Case) -> None:
    assert canonical_fingerprint(case["input"]) == case["expect"]["canonical"]


@pytest.mark.parametrize("case", cases("parse", "cert-"))
def test_conformance_of_errors(case: Case) -> None:
    check_error(case)


@pytest.mark.parametrize("case", cases("policy", "cert-", "icc-"))
def test_conformance(case: Case) -> None:
    given = case["input"]
    verdict = given.get("is_valid_client_certificate", True)
    check_outcome(case, decided(case["ppl"], certificate_of(given), lambda _: verdict))


@pytest.mark.parametrize("case", cases("policy", "ev-cert-", "ev-route-ca-"))
def test_conformance_with_an_authority(case: Case) -> None:
    config, given = case["config"], case["input"]
    rules = config["downstream_mtls"]
    ca = config.get("tls_downstream_client_ca_pem") or rules["ca_pem"]
    verifier = ClientCertificateVerifier(
        ca.encode(),
        max_verify_depth=rules["max_verify_depth"],
        now=lambda: datetime(2030, 1, 1, tzinfo=UTC).timestamp(),
    )
    allowed = [{"email": user} for user in config.get("allowed_users", [])] or [{"accept": True}]
    ppl = {"allow": {"or": allowed}, "deny": {"or": [{"invalid_client_certificate": True}]}}
    compiled = compile_policy([parse_data(ppl)], environment=Environment(certificate_valid=verifier.valid))
    check_outcome(case, compiled.evaluate(asked(certificate=certificate_of(given)), caller(given)))


# --- fingerprints


def test_both_forms_of_a_fingerprint_are_one() -> None:
    assert canonical_fingerprint(LONG) == canonical_fingerprint(SHORT) == SHORT


@pytest.mark.parametrize(
    "text",
    [
        SHORT.upper(),
        LONG.lower(),
        SHORT[:-1],
        SHORT + "0",
        SHORT + "\n",
        LONG + "\n",
        " " + SHORT,
        LONG.replace(":", "-"),
        SHORT[:40],
        ":".join(["AB"] * 20),
        "٠" * 64,
    ],
)
def test_other_forms_are_no_fingerprints(text: str) -> None:
    with pytest.raises(ValueError, match="unsupported certificate fingerprint format"):
        canonical_fingerprint(text)
    assert "openssl x509" in refused({"fingerprint": text})


def test_digests_are_those_of_the_leaf() -> None:
    other = base64.b64encode(b"x" * 32).decode()
    assert matches({"fingerprint": NAMED.fingerprint}, NAMED)
    assert matches({"fingerprint": [SHORT, NAMED.fingerprint]}, NAMED)
    assert not matches({"fingerprint": NAMED.fingerprint}, NAMELESS)
    assert matches({"spki_hash": NAMED.spki_hash}, NAMED)
    assert matches({"spki_hash": [other, NAMED.spki_hash]}, NAMED)
    assert not matches({"spki_hash": other}, NAMED)
    assert not matches({"fingerprint": []}, NAMED)
    assert not matches({"fingerprint": NAMED.fingerprint, "spki_hash": other}, NAMED)


def test_alternatives_in_one_rule() -> None:
    criteria = [{"client_certificate": {"fingerprint": each.fingerprint}} for each in (NAMED, NAMELESS)]
    either: Any = {"allow": {"or": criteria}}
    assert decided(either, NAMELESS).allow
    assert decided(either, NAMED).allow
    assert not decided(either, made()).allow
    assert not decided(either, None).allow


# --- names


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"san_dns": "b.two.test"}, True),
        ({"san_dns": "B.two.test"}, False),
        ({"san_dns": {"ends_with": ".two.test"}}, True),
        ({"san_dns": {"starts_with": "b.", "contains": "two"}}, True),
        ({"san_dns": {"in": ["x", "a.one.test"]}}, True),
        ({"san_dns": {"in": []}}, False),
        ({"san_dns": {"not": "a.one.test"}}, True),
        ({"san_dns": {"not_in": ["a.one.test"]}}, True),
        ({"san_dns": {"not_in": ["a.one.test", "b.two.test"]}}, False),
        ({"san_email": {"not": "ann@one.test"}}, False),
        ({"san_uri": {"starts_with": "spiffe://one.test/"}}, True),
        ({"san_uri": "a.one.test"}, False),
        ({"san_dns": {"starts_with": "a.", "ends_with": ".two.test"}}, True),
        ({"san_dns": {"starts_with": "a.", "ends_with": ".three.test"}}, False),
    ],
)
def test_some_name_satisfies_each_operator(data: Any, expected: bool) -> None:
    assert matches(data, NAMED) is expected


def test_without_a_name_or_a_certificate_nothing_matches() -> None:
    data = {"san_dns": {"not": "x"}}
    assert matches(data, NAMED)
    for certificate in (NAMELESS, None, ClientCertificate(b"")):
        assert not matches(data, certificate)
        assert not matches({"san_dns": {"not_in": []}}, certificate)


def test_a_leaf_of_which_only_the_presence_is_known_matches_nothing() -> None:
    empty = ClientCertificate(b"")
    assert not matches({"fingerprint": empty.fingerprint}, empty)


@pytest.mark.parametrize("data", [{"fingerprint": SHORT}, {"spki_hash": HASH}, {"san_dns": "x"}])
@pytest.mark.parametrize("kind", ["or", "not"])
def test_a_leaf_that_cannot_be_read_denies(data: Any, kind: str) -> None:
    rule = {kind: [{"client_certificate": data}]}
    found = decided([{"allow": {"or": [{"accept": 1}]}}, {"allow": rule}], ClientCertificate(b"nonsense"))
    assert (found.allow, found.deny) == (False, True)
    assert found.deny_reasons == {CRITERION_ERROR}


# --- data that means nothing


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (True, "expected object for certificate matcher"),
        (SHORT, "expected object for certificate matcher"),
        ([{"fingerprint": SHORT}], "write one of fingerprint"),
        ({}, "would match every certificate"),
        ({"finger_print": SHORT}, "unsupported certificate matcher condition: finger_print"),
        ({"finger_print": SHORT}, "did you mean 'fingerprint'"),
        ({"fingerprint": 5}, "expects a string or array of strings"),
        ({"fingerprint": [5]}, "must be a string (was 5)"),
        ({"spki_hash": [None]}, "must be a string (was null)"),
        ({"spki_hash": HASH[:-4]}, "must be a base64-encoded SHA-256 hash"),
        ({"spki_hash": HASH[:-1]}, "must be a base64-encoded SHA-256 hash"),
        ({"spki_hash": HASH + "\n"}, "must be a base64-encoded SHA-256 hash"),
        ({"spki_hash": "-" * 43 + "="}, "must be a base64-encoded SHA-256 hash"),
        ({"spki_hash": "é"}, "must be a base64-encoded SHA-256 hash"),
        ({"san_dns": {}}, "without an operator"),
        ({"san_dns": ["a"]}, "in ["),
        ({"san_dns": {"is": 5}}, "client_certificate/san_dns requires a string"),
    ],
)
def test_wrong_data_is_an_error_of_the_policy(data: Any, text: str) -> None:
    assert text in refused(data)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('fingerprint "x"', "t.ppl:2:"),
        ('san_dns has "x"', "t.ppl:2:"),
        ('fingerprint ["x"]', "t.ppl:2:"),
        ('fingerprint [\n"x"]', "t.ppl:3:"),
        ('san_dns {\nin "y",\nis "x"\n}', "t.ppl:3:"),
    ],
)
def test_errors_point_at_the_line(body: str, place: str) -> None:
    text = f"policy {{ allow or {{ client_certificate {{\n {body}\n }} }} }}"
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(parse_text(text, "t.ppl"))
    assert str(caught.value).startswith(place)


# --- invalid_client_certificate


@pytest.mark.parametrize(
    ("certificate", "verdict", "reason"),
    [
        (None, True, "valid-client-certificate"),
        (NAMED, True, "valid-client-certificate"),
        (None, False, "client-certificate-required"),
        (NAMED, False, "invalid-client-certificate"),
        (ClientCertificate(b""), False, "invalid-client-certificate"),
        (NAMED, "yes", "invalid-client-certificate"),
    ],
)
def test_what_is_wrong_with_a_certificate(
    certificate: ClientCertificate | None, verdict: Any, reason: str
) -> None:
    asked_about: list[ClientCertificate | None] = []

    def valid(presented: ClientCertificate | None) -> bool:
        asked_about.append(presented)
        return verdict  # type: ignore[no-any-return]

    found = decided({"deny": {"or": [{"invalid_client_certificate": True}]}}, certificate, valid)
    assert found.deny is (verdict is not True)
    assert found.deny_reasons == {reason}
    assert asked_about == [certificate]


def test_without_an_authority_no_certificate_is_invalid() -> None:
    policy = parse_data({"deny": {"or": [{"invalid_client_certificate": True}]}})
    assert not compile_policy([policy]).evaluate(asked(), ANONYMOUS).deny


def test_a_certificate_that_cannot_be_judged_denies() -> None:
    def valid(_: ClientCertificate | None) -> bool:
        raise ValueError("cannot be read")

    ppl = {"allow": {"or": [{"accept": 1}]}, "deny": {"not": [{"invalid_client_certificate": True}]}}
    assert decided(ppl, NAMED, valid).deny_reasons == {CRITERION_ERROR}


# --- what manuals and caches are told


def test_what_the_criteria_read() -> None:
    assert BUILT_IN["client_certificate"].reads == {"certificate"}
    # Whether a certificate is good changes with the time.
    assert BUILT_IN["invalid_client_certificate"].reads == {"certificate", "time"}


def test_the_schema_is_json() -> None:
    schema = json.loads(json.dumps(dict(BUILT_IN["client_certificate"].schema)))
    assert sorted(schema["properties"]) == ["fingerprint", "san_dns", "san_email", "san_uri", "spki_hash"]
