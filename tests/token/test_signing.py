"""Keys that sign assertions, and what others make of the assertions."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import Secret
from pomerium_tw.token import (
    ASSERTION_LIFETIME,
    AssertionSigner,
    SigningKeyError,
    SigningKeys,
    derive_signing_key,
    load_signing_keys,
    signing,
)
from pomerium_tw.verify import AssertionVerifier, VerificationError

NOW = 1_800_000_000
HOST = "app.example.com"
JWKS_URL = f"https://{HOST}/.well-known/pomerium/jwks.json"
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    written: bytes = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return written


def public_pem(key: Any) -> bytes:
    written: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return written


def load(*blocks: bytes) -> SigningKeys:
    return load_signing_keys(Secret(b"".join(blocks)))


def algorithms(keys: SigningKeys) -> list[str]:
    return [key.algorithm for key in keys.published]


def sign(keys: SigningKeys, now: float = NOW, **claims: Any) -> str:
    signer = AssertionSigner(keys, lambda: now, lambda: str(uuid.uuid4()))
    said = {"sub": "u", "user": "u", "email": "", "groups": [], "sid": "s", "name": "", **claims}
    return signer.signed(signer.unsigned(signer.payload(HOST, said)))


@pytest.mark.parametrize(
    ("key", "form", "algorithm"),
    [
        (P256, PrivateFormat.PKCS8, "ES256"),
        (P256, PrivateFormat.TraditionalOpenSSL, "ES256"),
        (RSA, PrivateFormat.PKCS8, "RS256"),
        (RSA, PrivateFormat.TraditionalOpenSSL, "RS256"),
        (ED, PrivateFormat.PKCS8, "EdDSA"),
    ],
)
def test_a_key_is_read_from_pem_and_from_base64_of_pem(key: Any, form: PrivateFormat, algorithm: str) -> None:
    block = pem(key, form)
    wrapped = base64.encodebytes(block)
    ids = set()
    for written in (block, b"  \n" + block + b"\n ", base64.b64encode(block), wrapped):
        keys = load(written)
        assert algorithms(keys) == [algorithm]
        ids.add(keys.published[0].id)
    assert len(ids) == 1


def test_the_parameters_block_that_openssl_writes_before_a_key_is_passed_over() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert algorithms(load(parameters, pem(P256, PrivateFormat.TraditionalOpenSSL))) == ["ES256"]


def test_the_first_key_signs_and_all_are_published() -> None:
    keys = load(pem(P256), pem(RSA), public_pem(ED))
    assert algorithms(keys) == ["ES256", "RS256", "EdDSA"]
    assert jwt.get_unverified_header(sign(keys)) == {
        "alg": "ES256",
        "kid": keys.published[0].id,
        "typ": "JWT",
    }
    assert [key["kid"] for key in json.loads(keys.jwks)["keys"]] == [key.id for key in keys.published]


def test_a_rotation_has_no_gap() -> None:
    before, appended, swapped = load(pem(P256)), load(pem(P256), pem(RSA)), load(pem(RSA), pem(P256))
    for old, new in ((before, appended), (appended, swapped)):
        assert verified(sign(old), new)["sub"] == "u", "what the old keys signed is good by the new set"
    assert verified(sign(appended), before)["sub"] == "u", "who still holds the old set reads the next tokens"
    assert verified(sign(swapped), appended)["sub"] == "u"


def test_a_key_that_is_written_twice_is_published_once() -> None:
    assert algorithms(load(pem(P256), public_pem(P256))) == ["ES256"]


def verified(token: str, keys: SigningKeys) -> dict[str, Any]:
    """What PyJWT says, taking keys from the JWKS alone."""
    found = jwt.PyJWKSet.from_json(keys.jwks.decode())[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token,
        found.key,
        ["ES256", "RS256", "EdDSA"],
        audience=HOST,
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([b"no key"], "neither PEM nor base64"),
        ([base64.b64encode(b"no key")], "no private key found"),
        ([b""], "no private key found"),
        ([public_pem(P256)], "no private key found"),
        ([public_pem(P256), pem(RSA)], "the first key must be a private one"),
        (
            [pem(P256), b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
            "key 2 cannot be read",
        ),
        ([pem(ec.generate_private_key(ec.SECP384R1()))], "key 1 is of a kind that cannot sign"),
        ([pem(ec.generate_private_key(ec.SECP256K1()))], "key 1 is of a kind that cannot sign"),
        ([pem(rsa.generate_private_key(65537, 1024))], "key 1 is of a kind that cannot sign"),
        ([pem(ed448.Ed448PrivateKey.generate())], "key 1 is of a kind that cannot sign"),
        ([pem(P256), pem(dsa.generate_private_key(1024))], "key 2 is of a kind that cannot sign"),
        (
            [P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))],
            "key 1 cannot be read as PEM: is it encrypted",
        ),
    ],
)
def test_keys_that_cannot_sign_are_refused_with_a_reason(blocks: list[bytes], message: str) -> None:
    with pytest.raises(SigningKeyError, match=message):
        load(*blocks)


def test_the_key_id_is_the_hex_thumbprint() -> None:
    """RFC 7638 §3.1 prints the thumbprint of its RSA key in base64url; ours are the same bytes in hex."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY"
        "b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0"
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    modulus = int.from_bytes(base64.urlsafe_b64decode(n + "=="), "big")
    public = rsa.RSAPublicNumbers(65537, modulus).public_key()
    block = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    expected = base64.urlsafe_b64decode("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs=").hex()
    assert load(pem(P256), block).published[1].id == expected


def test_coordinates_with_leading_zeros_keep_their_length() -> None:
    """RFC 7518 §6.2.1.2: always 32 bytes, or the thumbprint is another's."""
    scalar = 1
    while True:
        key = ec.derive_private_key(scalar, ec.SECP256R1())
        if key.public_key().public_numbers().x < 1 << 248:
            break
        scalar += 1
    keys = load(pem(key))
    jwk = json.loads(keys.jwks)["keys"][0]
    assert len(base64.urlsafe_b64decode(jwk["x"] + "=")) == 32
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    assert jwk["kid"] == hashlib.sha256(canonical).hexdigest()


def test_the_key_set_holds_public_members_alone() -> None:
    keys = load(pem(P256), pem(RSA), pem(ED))
    members = [set(key) for key in json.loads(keys.jwks)["keys"]]
    common = {"use", "kid", "alg", "kty"}
    assert members == [common | {"crv", "x", "y"}, common | {"n", "e"}, common | {"crv", "x"}]


def test_the_derived_key_is_the_same_on_every_node_and_differs_by_secret() -> None:
    first, second = derive_signing_key(Secret(b"s" * 32)), derive_signing_key(Secret(b"s" * 32))
    assert first.published[0].id == second.published[0].id
    assert verified(sign(first), second)["sub"] == "u"
    assert derive_signing_key(Secret(b"t" * 32)).published[0].id != first.published[0].id


def test_private_keys_are_not_shown() -> None:
    assert "private" not in repr(load(pem(P256)))


def test_an_assertion_says_what_it_must() -> None:
    keys = load(pem(P256))
    signer = AssertionSigner(keys, lambda: NOW + 0.9, lambda: "some id")
    said = {"sub": "u", "iss": "x", "aud": "y", "exp": 1, "iat": 2, "jti": "z"}
    claims = verified(signer.signed(signer.unsigned(signer.payload(HOST, said))), keys)
    assert claims == {
        "sub": "u",
        "iss": HOST,
        "aud": HOST,
        "jti": "some id",
        "iat": NOW,
        "exp": NOW + ASSERTION_LIFETIME,
    }
    assert signer.payload(HOST, {}, "uri")["iss"] == f"https://{HOST}/"
    assert ASSERTION_LIFETIME <= 300


@pytest.fixture(params=["ES256", "RS256", "EdDSA"])
def keys(request: pytest.FixtureRequest) -> SigningKeys:
    return load(pem({"ES256": P256, "RS256": RSA, "EdDSA": ED}[request.param]))


def flipped(token: str) -> list[str]:
    """The token with one byte of header, payload or signature changed."""
    parts = token.split(".")
    spoilt = []
    for index, part in enumerate(parts):
        raw = bytearray(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        raw[len(raw) // 2] ^= 1
        changed = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        spoilt.append(".".join([*parts[:index], changed, *parts[index + 1 :]]))
    return spoilt


texts = st.text(st.characters(codec="utf-8"), max_size=30)
said = st.dictionaries(
    texts, texts | st.integers() | st.booleans() | st.none() | st.lists(texts, max_size=3), max_size=6
)


def segments(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


@given(said.filter(lambda claims: isinstance(claims.get("iss", ""), str)))
def test_what_is_signed_is_what_pyjwt_would_sign(claims: dict[str, Any]) -> None:
    for private in (P256, RSA, ED):
        keys = load(pem(private))
        key = keys.published[0]
        theirs = jwt.encode(claims, private, algorithm=key.algorithm, headers={"kid": key.id})
        ours = keys.sign(claims)
        header, payload, _signature = segments(ours)
        assert header == segments(theirs)[0]
        assert json.loads(payload, object_pairs_hook=list) == json.loads(
            segments(theirs)[1], object_pairs_hook=list
        )
        if payload == segments(theirs)[1] and key.algorithm != "ES256":  # whose signatures are random
            assert ours == theirs
        assert keys.read(ours) == claims


def test_half_a_surrogate_is_signed_too() -> None:
    """A provider's JSON can hold one; UTF-8 cannot, and its owner must not be locked out for it."""
    keys = load(pem(P256))
    payload = segments(keys.sign({"name": "\ud800", "groups": ["ä"]}))[1]
    assert payload == b'{"name":"\\ud800","groups":["\\u00e4"]}'


@pytest.mark.parametrize(("r", "s"), [(1, 2), (2**255 + 1, 3), (4, 2**256 - 1)])
def test_each_half_of_an_es256_signature_has_32_bytes_however_small_its_number_is(
    r: int, s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7518 §3.4."""
    monkeypatch.setattr(signing, "decode_dss_signature", lambda _der: (r, s))
    written = load(pem(P256)).sign({}).rpartition(".")[2]
    assert base64.urlsafe_b64decode(written + "==") == r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_pyjwt_accepts_our_assertion_and_no_changed_one(keys: SigningKeys) -> None:
    token = sign(keys, name="Ä")
    assert verified(token, keys)["name"] == "Ä"
    for spoilt in flipped(token):
        with pytest.raises((jwt.InvalidTokenError, KeyError)):
            verified(spoilt, keys)


def test_joserfc_accepts_our_assertion_and_no_changed_one(keys: SigningKeys) -> None:
    joserfc = pytest.importorskip("joserfc.jwt")
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    known = KeySet.import_key_set(json.loads(keys.jwks))
    algorithm = keys.published[0].algorithm
    token = sign(keys)
    assert joserfc.decode(token, known, algorithms=[algorithm]).claims["aud"] == HOST
    for spoilt in flipped(token):
        with pytest.raises((JoseError, ValueError)):
            joserfc.decode(spoilt, known, algorithms=[algorithm])


def test_our_verifier_accepts_our_assertion_and_no_changed_one(keys: SigningKeys) -> None:
    def fetch(url: str) -> bytes:
        assert url == JWKS_URL
        return keys.jwks

    verifier = AssertionVerifier(HOST, fetch=fetch, clock=lambda: NOW)
    token = sign(keys)
    assert verifier.verify(token).user_id == "u"
    for spoilt in flipped(token):
        with pytest.raises(VerificationError):
            verifier.verify(spoilt)


def test_a_token_may_be_written_first_and_signed_later() -> None:
    for private in (RSA, ED):
        keys = load(pem(private))
        signer = AssertionSigner(keys, lambda: NOW, lambda: "some id")
        payload = signer.payload(HOST, {"sub": "u"})
        unsigned = [signer.unsigned(payload), signer.unsigned({**payload, "sub": "v"})]
        assert [each.count(".") for each in unsigned] == [1, 1]
        assert signer.signed(unsigned[1]) == keys.sign({**payload, "sub": "v"})
        assert signer.signed(unsigned[0]) == keys.sign(payload), "whatever was signed in between"
