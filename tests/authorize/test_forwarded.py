"""For whom a program asks (spec/threats HS-07, HS-08)."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.authorize import ForwardedAssertions
from pomerium_tw.model import ANONYMOUS, Head, Secret
from pomerium_tw.token import derive_signing_key

from .values import NOW, identity

KEYS = derive_signing_key(Secret(b"s" * 32))
OTHERS = derive_signing_key(Secret(b"o" * 32))
CLAIMS = {"sub": "alice", "exp": int(NOW) + 10}
ASSERTION, FOR = b"x-pomerium-jwt-assertion", b"x-pomerium-jwt-assertion-for"


def signed(keys: Any = KEYS, **claims: Any) -> bytes:
    return bytes(keys.sign({**CLAIMS, **claims}).encode())


def head(*fields: tuple[bytes, bytes]) -> Head:
    return Head(host="a", port=None, fields=fields, passed=b"")


def passed(*fields: tuple[bytes, bytes], who: Any = None, **options: Any) -> bytes:
    found = ForwardedAssertions(KEYS, lambda: NOW, **options).passed(head(*fields), who or identity())
    return found[0]


def test_an_assertion_of_ours_travels_on_and_the_first_one_is_kept() -> None:
    first, second = signed(), signed(sub="service")
    assert passed((ASSERTION, first)) == first
    assert passed((ASSERTION, second), (FOR, first)) == first
    assert passed((ASSERTION, second), (FOR, b"")) == second
    assert passed() == b""


@pytest.mark.parametrize(
    "value",
    [
        b"identity-a",
        b"a.b.c",
        b"\xff.\xff.\xff",
        signed(OTHERS),
        signed()[:-4] + b"AAAA",
        signed(exp=int(NOW)),
        signed(exp=None),
        signed(exp="9999999999"),
        signed(exp=True),
        b"eyJhbGciOiJub25lIn0.e30.",
        signed(padding="x" * 20_000),
    ],
)
def test_what_we_did_not_write_or_what_is_over_goes_nowhere(value: bytes) -> None:
    assert passed((ASSERTION, value)) == b""
    assert passed((FOR, value), (ASSERTION, signed())) == b"", "a forged one is not replaced by another"


def test_several_are_none() -> None:
    assert passed((FOR, signed()), (FOR, signed())) == b""
    assert passed((FOR, b"a"), (FOR, b"b"), unverified=True) == b""


def test_a_caller_without_a_session_speaks_for_nobody() -> None:
    assert passed((ASSERTION, signed()), who=ANONYMOUS) == b""


def test_the_end_may_be_stretched_and_is_told() -> None:
    late = signed(exp=int(NOW) - 5)
    assert passed((FOR, late), grace=5.0) == b""
    assert passed((FOR, late), grace=5.5) == late
    found = ForwardedAssertions(KEYS, lambda: NOW, grace=5.5).passed(head((FOR, late)), identity())
    assert found == (late, NOW + 0.5)


def test_unverified_ones_pass_when_that_is_asked_for_in_bounds() -> None:
    assert passed((FOR, b"identity-a"), who=ANONYMOUS, unverified=True) == b"identity-a"
    assert passed((FOR, b"x" * 16_385), unverified=True) == b""
