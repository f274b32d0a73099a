from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
)

from policy_grammar import PolicySyntaxError, parse_data, parse_text
from pomerium_tw.model import ANONYMOUS, Identity, Peer, SSHLogin
from pomerium_tw.policy import BUILT_IN, CRITERION_ERROR, Environment, Evaluation, compile_policy
from tests.policy.situations import identity

from .cases import Case, asked, caller, cases, check_error, check_outcome

NOW = 1_900_000_000
Signer = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

USER = ed25519.Ed25519PrivateKey.generate()
CA = ed25519.Ed25519PrivateKey.generate()
OTHER_CA = ed25519.Ed25519PrivateKey.generate()


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def line(key: Signer) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def wire(text: str | bytes) -> bytes:
    return base64.b64decode(text.split()[1])


def certificate(
    *principals: str,
    by: Signer = CA,
    kind: SSHCertificateType = SSHCertificateType.USER,
    after: int = NOW - 60,
    before: int = NOW + 60,
    options: dict[bytes, bytes] | None = None,
) -> bytes:
    """A certificate in the wire format; without principals for everybody."""
    builder = (
        SSHCertificateBuilder()
        .public_key(USER.public_key())
        .serial(1)
        .type(kind)
        .key_id(b"test")
        .valid_after(after)
        .valid_before(before)
    )
    if principals:
        builder = builder.valid_principals([each.encode() for each in principals])
    else:
        builder = builder.valid_for_all_principals()
    for name, value in (options or {}).items():
        builder = builder.add_critical_option(name, value)
    return wire(builder.sign(by).public_bytes())


def decided(
    ppl: Any,
    login: SSHLogin | None,
    who: Identity = ANONYMOUS,
    *,
    now: float = NOW,
    address: str = "192.0.2.1",
) -> Evaluation:
    compiled = compile_policy([parse_data(ppl)], environment=Environment(now=lambda: now))
    return compiled.evaluate(asked(ssh=login, peer=Peer(address, 4000)), who)


def allowed(
    criterion: dict[str, Any], login: SSHLogin | None, who: Identity = ANONYMOUS, **world: Any
) -> bool:
    return decided({"allow": {"or": [criterion]}}, login, who, **world).allow


def refused(criterion: dict[str, Any]) -> str:
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy([parse_data({"allow": {"or": [criterion]}})])
    return str(caught.value)


def signed_in(key: bytes, username: str = "ann", *, by: Signer = CA, **world: Any) -> bool:
    return allowed({"ssh_ca": line(by)}, SSHLogin(username, key), **world)


@pytest.mark.parametrize("case", cases("parse", "ssh-"))
def test_conformance_of_errors(case: Case) -> None:
    check_error(case)


@pytest.mark.parametrize("case", cases("policy", "ssh-"))
def test_conformance(case: Case) -> None:
    given = case["input"]
    key = base64.b64decode(given["ssh"].get("publickey", ""))
    login = SSHLogin(given["ssh"].get("username", ""), key)
    check_outcome(case, decided(case["ppl"], login, caller(given)))


# --- names


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ({"ssh_username": "ann"}, True),
        ({"ssh_username": "Ann"}, False),
        ({"ssh_username": {"starts_with": "a", "ends_with": "n"}}, True),
        ({"ssh_username": {"not": "ann"}}, False),
        ({"ssh_username_matches_email": True}, True),
        ({"ssh_username_matches_claim": "logins"}, True),
        ({"ssh_username_matches_claim": "Logins"}, False),
    ],
)
def test_user_names(criterion: dict[str, Any], expected: bool) -> None:
    who = identity(email="ann@example.com@x", logins=("root", "ann", 5))
    assert allowed(criterion, SSHLogin("ann"), who) is expected


def test_what_is_no_user_name() -> None:
    who = identity(email="ann@example.com", logins=("root", 5))
    assert not allowed({"ssh_username_matches_email": True}, SSHLogin("ann@example.com"), who)
    assert not allowed({"ssh_username_matches_claim": "logins"}, SSHLogin("5"), who)
    assert not allowed({"ssh_username_matches_claim": "logins"}, SSHLogin("roo"), who)


def test_an_empty_name_is_nobodys() -> None:
    for login in (None, SSHLogin("")):
        for who in (ANONYMOUS, identity(email="@example.com", logins=("",))):
            assert not allowed({"ssh_username_matches_email": True}, login, who)
            assert not allowed({"ssh_username_matches_claim": "logins"}, login, who)


@pytest.mark.parametrize(
    "criterion", [{"ssh_username_matches_email": True}, {"ssh_username_matches_claim": "logins"}]
)
def test_names_of_the_identity_ask_to_sign_in(criterion: dict[str, Any]) -> None:
    ppl = {"allow": {"or": [criterion]}}
    assert decided(ppl, SSHLogin("ann")).allow_reasons == {"user-unauthenticated"}
    assert decided(ppl, SSHLogin("ann"), identity()).allow_reasons == {"ssh-username-unauthorized"}


def test_off_ssh_there_is_neither_name_nor_key() -> None:
    assert allowed({"ssh_username": ""}, None)
    for criterion in ({"ssh_publickey": line(USER)}, {"ssh_ca": line(CA)}):
        for login in (None, SSHLogin("ann")):
            found = decided({"allow": {"or": [criterion]}}, login)
            assert found.allow_reasons == {"ssh-publickey-unauthorized"}


# --- keys


@pytest.mark.parametrize("key", [USER, ec.generate_private_key(ec.SECP384R1()), rsa_key()])
def test_a_key_is_the_same_byte_for_byte(key: Signer) -> None:
    policy = {"ssh_publickey": [line(OTHER_CA), f"  {line(key)} with a comment\n"]}
    assert allowed(policy, SSHLogin("ann", wire(line(key))))
    assert not allowed(policy, SSHLogin("ann", wire(line(CA))))
    assert not allowed(policy, SSHLogin("ann", wire(line(key))[:-1]))
    assert not allowed({"ssh_publickey": []}, SSHLogin("ann", wire(line(key))))


def security_key(application: bytes) -> bytes:
    """A public key that is kept on a FIDO token, with the raw key of USER."""
    fields = (b"sk-ssh-ed25519@openssh.com", USER.public_key().public_bytes_raw(), application)
    return b"".join(len(each).to_bytes(4, "big") + each for each in fields)


def test_a_security_key_is_not_the_plain_key_of_the_same_numbers() -> None:
    key = security_key(b"ssh:")
    text = f"sk-ssh-ed25519@openssh.com {base64.b64encode(key).decode()}"
    assert allowed({"ssh_publickey": text}, SSHLogin("ann", key))
    assert not allowed({"ssh_publickey": text}, SSHLogin("ann", wire(line(USER))))
    assert not allowed({"ssh_publickey": line(USER)}, SSHLogin("ann", key))
    assert "security keys" in refused({"ssh_ca": text})


def test_a_certificate_is_not_its_key() -> None:
    assert not allowed({"ssh_publickey": line(USER)}, SSHLogin("ann", certificate("ann")))
    assert not signed_in(wire(line(USER)))
    assert not signed_in(wire(line(CA)))


# --- certificates


@pytest.mark.parametrize("by", [CA, ec.generate_private_key(ec.SECP256R1()), rsa_key()])
def test_a_certificate_of_an_authority(by: Signer) -> None:
    assert signed_in(certificate("root", "ann", by=by), by=by)
    assert not signed_in(certificate("ann", by=by), by=OTHER_CA)
    assert allowed({"ssh_ca": [line(OTHER_CA), line(by)]}, SSHLogin("ann", certificate("ann", by=by)))
    assert not allowed({"ssh_ca": []}, SSHLogin("ann", certificate("ann", by=by)))


def test_reasons_of_keys() -> None:
    for name, key in (("ssh_ca", certificate("ann")), ("ssh_publickey", wire(line(CA)))):
        ppl = {"allow": {"or": [{name: line(CA)}]}}
        assert decided(ppl, SSHLogin("ann", key)).allow_reasons == {"ssh-publickey-ok"}
        assert decided(ppl, SSHLogin("ann", wire(line(USER)))).allow_reasons == {"ssh-publickey-unauthorized"}


def test_a_certificate_names_its_users_or_is_for_all() -> None:
    assert not signed_in(certificate("root"), "ann")
    assert not signed_in(certificate("ann"), "")
    assert not signed_in(certificate("ann"), "an")
    assert signed_in(certificate(), "ann")
    assert signed_in(certificate(), "")


def test_a_certificate_of_a_host_is_no_users() -> None:
    assert not signed_in(certificate("ann", kind=SSHCertificateType.HOST))


def test_a_certificate_is_good_from_its_first_second_to_before_its_last() -> None:
    key = certificate("ann", after=NOW, before=NOW + 10)
    found = [signed_in(key, now=NOW + each) for each in (-0.5, 0, 9.9, 10, 3600)]
    assert found == [False, True, True, False, False]
    assert signed_in(certificate("ann", after=0, before=2**64 - 1), now=4e9)


@pytest.mark.parametrize("by", [CA, ec.generate_private_key(ec.SECP256R1()), rsa_key()])
def test_a_changed_certificate_proves_nothing(by: Signer) -> None:
    key = certificate("ann", by=by)
    assert not signed_in(key.replace(b"ann", b"bob"), "bob", by=by)
    assert not signed_in(key[:-1] + bytes([key[-1] ^ 1]), by=by)


def test_signatures_by_sha_1_prove_nothing() -> None:
    """The bytes say SHA-1, whoever made them; the same certificate by SHA-512 is good."""
    key = certificate("ann", by=rsa_key())
    length = rsa_key().key_size // 8
    body, signature = key[: -length - 4], key[-length:]
    algorithm = b"rsa-sha2-512"
    assert body.endswith(algorithm)
    assert signed_in(key, by=rsa_key())
    signed = body[: -len(algorithm) - 8]
    pieces = [b"ssh-rsa", sha1_signature(signed)]
    whole = b"".join(len(each).to_bytes(4, "big") + each for each in pieces)
    assert len(signature) == len(pieces[1])
    assert not signed_in(signed + len(whole).to_bytes(4, "big") + whole, by=rsa_key())


def sha1_signature(data: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-1 (RFC 8017 §8.2.1), which cryptography no longer makes."""
    numbers = rsa_key().private_numbers()
    size = rsa_key().key_size // 8
    info = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(data).digest()  # noqa: S324
    padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    number = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n)
    return number.to_bytes(size, "big")


@pytest.mark.parametrize(
    ("sources", "address", "expected"),
    [
        (b"192.0.2.0/24", "192.0.2.1", True),
        (b"198.51.100.0/24,192.0.2.1", "192.0.2.1", True),
        (b"192.0.2.9/24", "192.0.2.1", True),
        (b"198.51.100.0/24", "192.0.2.1", False),
        (b"2001:db8::/32", "2001:db8::1", True),
        (b"2001:db8::/32", "192.0.2.1", False),
    ],
)
def test_a_certificate_for_some_networks(sources: bytes, address: str, expected: bool) -> None:
    key = certificate("ann", options={b"source-address": sources})
    assert signed_in(key, address=address) is expected


def test_options_that_nobody_would_enforce() -> None:
    for name in (b"force-command", b"verify-required", b"source-addres"):
        options = {b"source-address": b"192.0.2.0/24", name: b"192.0.2.0/24"}
        ppl = {"allow": {"or": [{"ssh_ca": line(CA)}]}}
        found = decided(ppl, SSHLogin("ann", certificate("ann", options=options)))
        assert found.allow_reasons == {"ssh-publickey-unauthorized"}


@pytest.mark.parametrize(
    "key",
    [
        b"nonsense",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xffssh-rsa",
        certificate("ann")[:-10],
        certificate("ann") + b"x",
        certificate("ann").replace(b"ssh-ed25519-cert", b"ssh-unknown-cert"),
        certificate("ann", options={b"source-address": b"anywhere"}),
    ],
)
@pytest.mark.parametrize("kind", ["or", "not"])
def test_a_key_that_cannot_be_read_denies(key: bytes, kind: str) -> None:
    found = decided(
        [{"allow": {"or": [{"accept": 1}]}}, {"allow": {kind: [{"ssh_ca": line(CA)}]}}], SSHLogin("ann", key)
    )
    assert (found.allow, found.deny) == (False, True)
    assert found.deny_reasons == {CRITERION_ERROR}


# --- data that means nothing

_DSA = "ssh-dss AAAAB3NzaC1kc3MAAACB"


@pytest.mark.parametrize("name", ["ssh_publickey", "ssh_ca"])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "expected string or array of strings"),
        ({"is": "x"}, "expected string or array of strings"),
        ([5], "expected string value"),
        ("", "not a public SSH key"),
        ("ssh-ed25519", "not a public SSH key"),
        ("ssh-ed25519 AAAA", "not a public SSH key"),
        (line(USER)[:40] + "!" + line(USER)[40:], "not a public SSH key"),
        ("ssh-é AAAA", "not a public SSH key"),
        (line(USER).replace("ssh-ed25519", "ssh-rsa"), "not a public SSH key"),
        ('command="x" ' + line(USER), "write the key alone"),
        (line(USER) + "\n" + line(CA), "a list with one key each"),
        (_DSA, "DSA keys are too weak"),
    ],
)
def test_what_is_no_key(name: str, data: Any, text: str) -> None:
    assert text in refused({name: data})


def test_a_certificate_is_no_authority() -> None:
    text = "ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(certificate("ann")).decode()
    assert "a certificate is no authority" in refused({"ssh_ca": text})


def test_errors_point_at_the_line() -> None:
    text = f'policy {{ allow or {{ ssh_publickey [\n"{line(USER)}",\n"x"\n] }} }}'
    with pytest.raises(PolicySyntaxError) as caught:
        compile_policy(parse_text(text, "t.ppl"))
    assert str(caught.value).startswith("t.ppl:3:")


@pytest.mark.parametrize("data", ["", None, 5, ["a"], {"has": "a"}])
def test_a_claim_has_a_name(data: Any) -> None:
    assert "expected string value" in refused({"ssh_username_matches_claim": data})


# --- what manuals and caches are told


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("ssh_username", {"ssh"}),
        ("ssh_username_matches_email", {"ssh", "identity"}),
        ("ssh_username_matches_claim", {"ssh", "identity"}),
        ("ssh_publickey", {"ssh"}),
        ("ssh_ca", {"ssh", "time", "address"}),
    ],
)
def test_what_the_criteria_read(name: str, reads: set[str]) -> None:
    assert BUILT_IN[name].reads == reads
    assert BUILT_IN[name].accepts
    json.dumps(dict(BUILT_IN[name].schema))
