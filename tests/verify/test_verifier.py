"""Good assertions are read; everything else is refused with a reason (spec/threats JW-01..JW-10)."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pomerium_tw.verify import AssertionVerifier, VerificationError
from pomerium_tw.verify.verifier import JWKS_PATH

from .conftest import HOST, NOW, Proxy


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def refusal(proxy: Proxy, token: Any, **settings: Any) -> str:
    with pytest.raises(VerificationError) as caught:
        proxy.verifier(**settings).verify(token)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_a_good_assertion_gives_its_fields(proxy: Proxy, algorithm: str) -> None:
    assertion = proxy.verifier().verify(proxy.token(algorithm, extra=[1]))
    assert (assertion.user_id, assertion.email, assertion.name) == (
        "user-1",
        "someone@example.com",
        "Some One",
    )
    assert (assertion.groups, assertion.session_id) == (("staff", "admins"), "session-1")
    assert assertion.claims["extra"] == [1]
    assert not assertion.anonymous
    with pytest.raises(TypeError):
        assertion.claims["email"] = "x"  # type: ignore[index]  # that it cannot be written is the test


def test_an_assertion_of_nobody_is_genuine_and_anonymous(proxy: Proxy) -> None:
    assertion = proxy.verifier().verify(proxy.token(sub="", email="", name="", sid="", groups=[]))
    assert assertion.anonymous
    assert assertion.groups == ()


def test_keys_come_from_the_audience_host_by_default(proxy: Proxy) -> None:
    proxy.verifier().verify(proxy.token())
    assert proxy.fetched == [f"https://{HOST}{JWKS_PATH}"]


def test_keys_come_from_the_configured_place(proxy: Proxy) -> None:
    proxy.verifier(jwks_url="https://keys.example.com:8443/set").verify(proxy.token())
    assert proxy.fetched == ["https://keys.example.com:8443/set"]


@pytest.mark.parametrize(
    "url", ["http://app.example.com/keys", "ftp://x/", "app.example.com", "https://a:b@c/"]
)
def test_keys_are_never_configured_from_an_unsafe_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"fetch|clear text"):
        AssertionVerifier(HOST, jwks_url=url)


def test_an_audience_is_required() -> None:
    with pytest.raises(ValueError, match="audience"):
        AssertionVerifier("")


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, 5, ["ES256"]])
def test_jw01_unsigned_tokens_are_refused(proxy: Proxy, algorithm: Any) -> None:
    head = b64({"kid": "key-ES256", "alg": algorithm})
    for signature in ("", "AA"):
        refusal(proxy, f"{head}.{b64(proxy.claims())}.{signature}")
    refusal(proxy, f"{b64({'kid': 'key-ES256'})}.{b64(proxy.claims())}.AA")


def test_jw02_a_public_key_is_not_an_hmac_secret(proxy: Proxy) -> None:
    public = proxy.keys["RS256"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(proxy.jwks()[1]).encode()
    for secret in (pem, pem.replace(b"\n", b"\r\n"), b" " + pem, der, jwk):
        signed = f"{b64({'alg': 'HS256', 'kid': 'key-RS256', 'typ': 'JWT'})}.{b64(proxy.claims())}"
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(signed.encode())
        assert "its key is for RS256" in refusal(proxy, f"{signed}.{b64(mac.finalize())}")


@pytest.mark.parametrize(
    "key_id",
    ["../../dev/null", "' OR 1=1 --", "https://evil.example/key", ["key-ES256"], None, "", "k" * 300, 7],
)
def test_jw03_the_key_id_is_only_ever_a_dictionary_key(proxy: Proxy, key_id: Any) -> None:
    verifier = proxy.verifier()
    verifier.verify(proxy.token())
    head = b64({"alg": "ES256", "kid": key_id})
    with pytest.raises(VerificationError):
        verifier.verify(f"{head}.{b64(proxy.claims())}.{'A' * 86}")
    assert set(proxy.fetched) == {f"https://{HOST}{JWKS_PATH}"}


def test_jw04_keys_that_the_token_brings_are_ignored(proxy: Proxy) -> None:
    attacker = Proxy(keys={"ES256": ec.generate_private_key(ec.SECP256R1())})
    for header in (
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"jwk": attacker.jwks()[0]},
        {"x5c": ["AAAA"]},
    ):
        assert "signature" in refusal(proxy, attacker.token(header=header))
    assert set(proxy.fetched) == {f"https://{HOST}{JWKS_PATH}"}


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"crit": []}, {"zip": "DEF"}, {"b64": False}])
def test_jw05_extensions_that_change_the_meaning_are_refused(proxy: Proxy, header: dict[str, Any]) -> None:
    head = b64({"alg": "ES256", "kid": "key-ES256", **header})
    assert "never use" in refusal(proxy, f"{head}.{b64(proxy.claims())}.{'A' * 86}")


@pytest.mark.parametrize(
    "issuer", ["app.example", f"{HOST}.evil", f"https://{HOST}", f"http://{HOST}/", [HOST], "", None, 1, ...]
)
def test_jw06_the_issuer_is_compared_exactly(proxy: Proxy, issuer: Any) -> None:
    assert "issued by" in refusal(proxy, proxy.token(iss=issuer))


def test_both_forms_of_our_issuer_are_ours_unless_one_is_configured(proxy: Proxy) -> None:
    address = f"https://{HOST}/"
    for issuer in (HOST, address):
        proxy.verifier().verify(proxy.token(iss=issuer))
    proxy.verifier(issuer=address).verify(proxy.token(iss=address))
    proxy.verifier(issuer=(HOST, "other")).verify(proxy.token(iss="other"))
    assert "issued by" in refusal(proxy, proxy.token(iss=HOST), issuer=address)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1900000300", NOW + 0.5, True, -1, 1 << 60, [NOW], {}])
def test_jw07_times_are_whole_seconds(proxy: Proxy, name: str, value: Any) -> None:
    assert "not a time" in refusal(proxy, proxy.token(**{name: value}))


@pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", "-Infinity", "9" * 5000])
def test_jw07_numbers_that_are_none_are_refused_without_an_accident(proxy: Proxy, number: str) -> None:
    payload = json.dumps(proxy.claims()).replace(str(NOW + 300), number).encode()
    token = jwt.PyJWS().encode(payload, proxy.keys["ES256"], "ES256", headers={"kid": "key-ES256"})
    assert "not proper JSON" in refusal(proxy, token)


def test_jw07_times_hold_within_a_minute_of_skew_and_not_beyond(proxy: Proxy) -> None:
    token = proxy.token(nbf=NOW)
    for now in (NOW - 60, NOW, NOW + 359):
        proxy.now = now
        proxy.verifier().verify(token)
    proxy.now = NOW + 360
    assert "expired 60 seconds ago" in refusal(proxy, token)
    proxy.now = NOW - 61
    assert "future" in refusal(proxy, token)
    assert "not valid yet" in refusal(proxy, proxy.token(iat=NOW - 61, nbf=NOW))


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_times_are_required(proxy: Proxy, name: str) -> None:
    assert f"no '{name}'" in refusal(proxy, proxy.token("ES256", None, **{name: ...}))


@pytest.mark.parametrize(
    "audience", ["other.example.com", f"x{HOST}", HOST.upper(), [], ["other"], 5, {HOST: 1}, "", None, ...]
)
def test_jw08_another_audience_is_refused(proxy: Proxy, audience: Any) -> None:
    assert f"not for '{HOST}'" in refusal(proxy, proxy.token(aud=audience))


def test_jw08_a_list_that_holds_our_audience_is_ours(proxy: Proxy) -> None:
    proxy.verifier().verify(proxy.token(aud=["other", HOST]))


def test_jw09_odd_shapes_are_refused_in_no_time(proxy: Proxy) -> None:
    good = proxy.token()
    header, payload, signature = good.split(".")
    shapes = [
        "",
        "a.b",
        "a.b.c.d.e",
        "." * 10_000,
        f"{'A' * 1_000_000}.{payload}.{signature}",
        f"{b64(b'[' * 3000)}.{payload}.{signature}",
        f"{b64(b'[' * 40_000)}.{payload}.{signature}",
        f"{header}=.{payload}.{signature}",
        f" {good}",
        f"{good}\n",
        good.replace("-", "+"),
        f"{good},{good}",
        f"{b64(b'[]')}.{payload}.{signature}",
        f"{b64(b'{')}.{payload}.{signature}",
        b64(bytes([255, 254])) + f".{payload}.{signature}",
        "ä.ö.ü",
    ]
    for shape in shapes:
        if shape == good:
            continue
        tracemalloc.start()
        began = time.process_time()
        refusal(proxy, shape)
        spent = time.process_time() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert spent < 0.5
        assert peak < 1_500_000  # 1 MB and the text of the message; the megabyte itself was allocated before
    for nothing in (None, b"a.b.c", 5):
        assert "no assertion" in refusal(proxy, nothing)


def test_jw09_duplicate_names_are_refused(proxy: Proxy) -> None:
    payload = json.dumps(proxy.claims())[:-1] + ', "aud": "app.example.com"}'
    token = jwt.PyJWS().encode(payload.encode(), proxy.keys["ES256"], "ES256", headers={"kid": "key-ES256"})
    assert "not proper JSON" in refusal(proxy, token)
    head = b64(b'{"alg":"ES256","kid":"key-ES256","kid":"key-ES256"}')
    assert "not proper JSON" in refusal(proxy, f"{head}.{b64(proxy.claims())}.{'A' * 86}")


def test_a_signature_has_one_spelling(proxy: Proxy) -> None:
    good = proxy.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for last in alphabet:
        if last != good[-1]:
            refusal(proxy, good[:-1] + last)


def test_flipping_any_byte_is_noticed(proxy: Proxy) -> None:
    good = proxy.token()
    for position in range(0, len(good), 7):
        if good[position] != ".":
            refusal(proxy, good[:position] + ("A" if good[position] != "A" else "B") + good[position + 1 :])


def test_jw10_degenerate_ecdsa_signatures_are_refused(proxy: Proxy) -> None:
    signed = proxy.token().rpartition(".")[0]
    der = proxy.keys["ES256"].sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    for signature in (
        bytes(64),
        bytes(32) + b"\x01" * 32,
        b"\x01" * 32 + bytes(32),
        der,
        b"\x01" * 63,
        b"\x01" * 65,
    ):
        assert "signature" in refusal(proxy, f"{signed}.{b64(signature)}")


@pytest.mark.parametrize(("name", "curve"), [("ES256K", ec.SECP256K1()), ("ES384", ec.SECP384R1())])
def test_jw10_other_curves_are_refused(proxy: Proxy, name: str, curve: ec.EllipticCurve) -> None:
    proxy.keys[name] = ec.generate_private_key(curve)
    assert "no usable key" in refusal(proxy, proxy.token(name))


def test_jw12_tokens_of_another_type_are_refused(proxy: Proxy) -> None:
    assert "another type" in refusal(proxy, proxy.token(header={"typ": "at+jwt"}))


@pytest.mark.parametrize("changes", [{"groups": "admins"}, {"groups": [1]}, {"sub": 5}, {"email": ["a"]}])
def test_fields_of_a_wrong_type_are_refused(proxy: Proxy, changes: dict[str, Any]) -> None:
    assert "the claim" in refusal(proxy, proxy.token(**changes))


def test_a_reason_is_one_short_printable_line(proxy: Proxy) -> None:
    reason = refusal(proxy, proxy.token(aud='"><script>\r\n\x1b[0m' + "x" * 5000))
    assert reason.isprintable()
    assert len(reason) < 300
