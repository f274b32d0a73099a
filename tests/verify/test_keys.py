"""The JWKS is read strictly, cached, refreshed with restraint, and survives failures (spec/threats JW-11)."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pomerium_tw.verify import VerificationError
from pomerium_tw.verify.keys import MAX_AGE, MAX_STALE, MIN_INTERVAL, read_key_set

from .conftest import NOW, Proxy, public_jwk


def document(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


def test_each_key_has_the_algorithm_of_its_type(proxy: Proxy) -> None:
    entries = [{name: value for name, value in entry.items() if name != "alg"} for entry in proxy.jwks()]
    found = read_key_set(document(*entries))
    assert {key_id: key.algorithm for key_id, key in found.items()} == {
        "key-ES256": "ES256",
        "key-RS256": "RS256",
        "key-EdDSA": "EdDSA",
    }


def test_unusable_entries_are_left_out(proxy: Proxy) -> None:
    good = proxy.jwks()[0]
    weak = rsa.generate_private_key(65537, 1024)
    private = json.loads(json.dumps({**good, "d": "AAAA", "kid": "private"}))
    bad: list[Any] = [
        None,
        "text",
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
        {**good, "kid": "wrong-alg", "alg": "RS256"},
        {**good, "kid": "encryption", "use": "enc"},
        {**good, "kid": 5},
        {**good, "kid": ""},
        {**good, "kid": "off-curve", "x": good["y"]},
        {**good, "kid": "no-y", "y": None},
        public_jwk(weak, "RS256", kid="weak"),
        private,
    ]
    assert set(read_key_set(document(*bad, good))) == {"key-ES256"}


def test_a_key_id_that_two_keys_share_names_none_of_them(proxy: Proxy) -> None:
    other = public_jwk(ec.generate_private_key(ec.SECP256R1()), "ES256", kid="key-ES256")
    good = proxy.jwks()[0]
    assert read_key_set(document(good, other)) == {}
    assert read_key_set(document(good, other, good)) == {}
    assert set(read_key_set(document(good, good))) == {"key-ES256"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"{" * 100_000, b" " * 1_048_577]
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(VerificationError):
        read_key_set(body)


def test_keys_are_fetched_once_and_again_when_they_are_old(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    for _ in range(3):
        verifier.verify(proxy.token())
    assert len(proxy.fetched) == 1
    proxy.now = NOW + MAX_AGE
    verifier.verify(proxy.token(exp=NOW + 900))
    assert len(proxy.fetched) == 2


def test_an_unknown_key_is_looked_for_but_not_more_often_than_allowed(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    verifier.verify(proxy.token())
    stranger = Proxy(keys={"ES256": ec.generate_private_key(ec.SECP256R1())})
    proxy.now += MIN_INTERVAL
    for number in range(20):
        with pytest.raises(VerificationError, match="no usable key"):
            verifier.verify(stranger.token(header={"kid": f"unknown-{number}"}))
    assert len(proxy.fetched) == 2


def test_a_new_key_is_found_by_its_first_token(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    verifier.verify(proxy.token())
    proxy.keys["ES256"] = ec.generate_private_key(ec.SECP256R1())
    renamed = public_jwk(proxy.keys["ES256"], "ES256", kid="rotated")
    proxy.answer = lambda: document(renamed)
    proxy.now += MIN_INTERVAL
    verifier.verify(proxy.token(header={"kid": "rotated"}))


def test_old_keys_stay_in_use_while_fetches_fail_but_not_for_ever(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    verifier.verify(proxy.token())

    def fail() -> bytes:
        raise OSError("no route")

    for proxy.answer in (fail, lambda: b"", lambda: document(), lambda: b" " * 2_000_000):
        proxy.now += MAX_AGE
        verifier.verify(proxy.token(exp=int(proxy.now) + 300))
    proxy.now = NOW + MAX_STALE
    with pytest.raises(VerificationError, match="not to be had"):
        verifier.verify(proxy.token(exp=int(proxy.now) + 300))


def test_tokens_that_come_while_the_first_fetch_fails_are_all_refused_with_the_cause(proxy: Proxy) -> None:
    verifier = proxy.verifier()

    def fail() -> bytes:
        raise RuntimeError("anything")

    proxy.answer = fail
    for _ in range(2):
        with pytest.raises(
            VerificationError, match=r"not to be had: .* could not be fetched \(RuntimeError\)"
        ):
            verifier.verify(proxy.token())
    assert len(proxy.fetched) == 1
    proxy.answer = None
    proxy.now += MIN_INTERVAL
    verifier.verify(proxy.token())


def test_a_clock_set_back_does_not_stop_the_fetches(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    proxy.answer = lambda: b""
    with pytest.raises(VerificationError):
        verifier.verify(proxy.token())
    proxy.answer = None
    proxy.now -= 30
    verifier.verify(proxy.token())


def test_a_hanging_fetch_holds_up_nobody_who_has_a_key(proxy: Proxy) -> None:
    verifier = proxy.verifier()
    verifier.verify(proxy.token())
    fetching, release = threading.Event(), threading.Event()

    def hang() -> bytes:
        fetching.set()
        release.wait(10)
        return b""

    proxy.answer = hang
    proxy.now += MAX_AGE
    token = proxy.token(exp=int(proxy.now) + 300)
    waiting = threading.Thread(target=verifier.verify, args=(token,))
    waiting.start()
    try:
        assert fetching.wait(10)
        verifier.verify(token)  # returns though the fetch still hangs
        assert waiting.is_alive()
    finally:
        release.set()
        waiting.join(10)
    assert len(proxy.fetched) == 2
