"""Sealed values: whole, ours, and where they belong, or nothing."""

from __future__ import annotations

import hmac
import os

import pytest

from pomerium_tw.model import Secret
from pomerium_tw.token import Sealer, SealError, decode, encode, subkey

KEY = Secret(b"k" * 32)
OTHER = Secret(b"o" * 32)
PLAIN = b"what only we may read"


def test_what_was_sealed_is_opened() -> None:
    sealed = Sealer(KEY).seal(PLAIN, b"cookie", b"host")
    assert Sealer(KEY).open(sealed, b"cookie", b"host") == PLAIN
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_nothing_of_the_value_can_be_read() -> None:
    assert PLAIN not in decode(Sealer(KEY).seal(PLAIN))


def test_every_changed_byte_spoils_the_value() -> None:
    raw = decode(Sealer(KEY).seal(PLAIN, b"here"))
    for at in range(len(raw)):
        for flip in (1, 0x80):
            changed = raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]
            with pytest.raises(SealError):
                Sealer(KEY).open(encode(changed), b"here")


def test_every_shortened_value_is_spoilt() -> None:
    sealed = Sealer(KEY).seal(PLAIN)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            Sealer(KEY).open(sealed[:length])


@pytest.mark.parametrize(
    "bound",
    [
        (),
        (b"cookie",),
        (b"cookie", b"other"),
        (b"cookieh", b"ost"),
        (b"cookiehost",),
        (b"cookie", b"host", b""),
    ],
)
def test_a_value_opens_in_its_own_place_alone(bound: tuple[bytes, ...]) -> None:
    sealed = Sealer(KEY).seal(PLAIN, b"cookie", b"host")
    with pytest.raises(SealError):
        Sealer(KEY).open(sealed, *bound)


@pytest.mark.parametrize(
    "text", ["", "A", "=", "AAAA====", "ä" * 40, "\x00" * 40, "a b", "+/" * 30, "A" * 16_385, "\ud800" * 40]
)
def test_what_is_not_a_sealed_value_is_refused_as_such(text: str) -> None:
    with pytest.raises(SealError):
        Sealer(KEY).open(text)


def test_padding_and_white_space_make_no_second_form_of_a_value() -> None:
    sealed = Sealer(KEY).seal(PLAIN)
    for form in (sealed + "=", sealed + "\n", " " + sealed, sealed.replace("-", "+").replace("_", "/") + "+"):
        with pytest.raises(SealError):
            Sealer(KEY).open(form)


def test_after_a_rotation_old_values_open_and_new_ones_need_the_new_key() -> None:
    old = Sealer(KEY).seal(PLAIN)
    rotated = Sealer(OTHER, [KEY])
    assert rotated.open(old) == PLAIN
    new = rotated.seal(PLAIN)
    assert Sealer(OTHER).open(new) == PLAIN
    with pytest.raises(SealError):
        Sealer(KEY).open(new)
    with pytest.raises(SealError):
        Sealer(OTHER).open(old)


def test_ten_thousand_values_have_as_many_nonces() -> None:
    sealer = Sealer(KEY)
    assert len({decode(sealer.seal(b""))[:12] for _ in range(10_000)}) == 10_000


def test_the_nonce_comes_from_the_given_source() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return os.urandom(size)

    Sealer(KEY, random=random).seal(PLAIN)
    assert asked == [12]


def test_subkeys_are_the_same_everywhere_and_differ_by_purpose_and_secret() -> None:
    assert subkey(KEY, "a").reveal() == subkey(Secret(b"k" * 32), "a").reveal()
    assert len({subkey(KEY, "a").reveal(), subkey(KEY, "b").reveal(), subkey(OTHER, "a").reveal()}) == 3
    assert len(subkey(KEY, "a", 48).reveal()) == 48


def test_subkeys_are_hkdf_without_salt_under_our_label() -> None:
    """RFC 5869 step by step; a change of any part would sign everybody out."""
    extracted = hmac.digest(bytes(32), KEY.reveal(), "sha256")
    expanded = hmac.digest(extracted, b"pomerium_tw/session-handle\x01", "sha256")
    assert subkey(KEY, "session-handle").reveal() == expanded
