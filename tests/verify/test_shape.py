"""Tokens have one spelling before a key is looked up."""

from __future__ import annotations

import base64
import json

import pytest

from pomerium_tw.verify import VerificationError
from pomerium_tw.verify.shape import MAX_HEADER, MAX_TOKEN, inspect_token


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEADER = encoded({"alg": "ES256", "kid": "a", "x": ""})


def test_the_header_says_key_and_algorithm() -> None:
    shape = inspect_token(f"{HEADER}.e30.AAAA")
    assert (shape.key_id, shape.algorithm) == ("a", "ES256")


@pytest.mark.parametrize(
    "token", ["{}.e31.AAAA", "{}.e30.AB", "{}.e30=.AAAA", "{}.e3 0.AAAA", "{}..AAAA", "{}.e30."]
)
def test_bits_that_mean_nothing_padding_and_blanks_are_refused(token: str) -> None:
    with pytest.raises(VerificationError, match="not base64url"):
        inspect_token(token.format(HEADER))


def test_size_limits_are_exact() -> None:
    room = MAX_TOKEN - len(HEADER) - len(".e30.")
    inspect_token(f"{HEADER}.e30." + "A" * (room - room % 4))
    with pytest.raises(VerificationError, match="longer than 65536"):
        inspect_token(f"{HEADER}.e30." + "A" * (room + 1))
    with pytest.raises(VerificationError, match="header is longer"):
        inspect_token("A" * (MAX_HEADER + 1) + ".e30.AAAA")
