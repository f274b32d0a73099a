from __future__ import annotations

from typing import Any

import jwt
import pytest

from pomerium_tw.model import Secret
from pomerium_tw.session import HandleCodec, HandleError, SessionHandle

KEY, OLD, STRANGE = Secret(b"k" * 32), Secret(b"o" * 32), Secret(b"x" * 32)
HANDLE = SessionHandle("session-1", "alice", ("app.example.com",), "idp", 1_800_000_000, 7)
CODEC = HandleCodec(KEY, [OLD], "auth.example.com")
CLAIMS: dict[str, Any] = {
    "iss": "auth.example.com",
    "sub": "alice",
    "aud": ["app.example.com"],
    "iat": 1_800_000_000,
    "jti": "session-1",
    "idp_id": "idp",
    "databroker_record_version": 7,
}
TYPE = {"typ": "pomerium-session+jwt"}


def test_what_is_written_is_read_back() -> None:
    assert CODEC.decode(CODEC.encode(HANDLE)) == HANDLE


def test_a_handle_has_the_published_claims_and_no_expiry() -> None:
    token = jwt.decode_complete(CODEC.encode(HANDLE), options={"verify_signature": False})
    assert token["payload"] == CLAIMS
    assert token["header"]["alg"] == "HS256"


def test_handles_under_a_previous_key_are_still_read_and_new_ones_use_the_new_key() -> None:
    assert CODEC.decode(HandleCodec(OLD).encode(HANDLE)) == HANDLE
    with pytest.raises(HandleError):
        HandleCodec(OLD).decode(CODEC.encode(HANDLE))


def test_a_change_of_any_character_spoils_a_handle() -> None:
    text = CODEC.encode(HANDLE)
    for position, character in enumerate(text):
        for other in ("A", "."):
            changed = text[:position] + other + text[position + 1 :]
            if other == character:
                continue
            # The last character of each part may hold bits that do not count.
            try:
                read = CODEC.decode(changed)
            except HandleError:
                continue
            assert read == HANDLE and position == len(text) - 1


@pytest.mark.parametrize("text", ["", "=", ";", "\x00", "a.b.c", "." * 10, "x" * 1_000_000, "é", "\ud800"])
def test_nonsense_is_no_handle(text: str) -> None:
    with pytest.raises(HandleError):
        CODEC.decode(text)


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        ({}, {"typ": "JWT"}),
        ({}, {}),
        ({"jti": ""}, TYPE),
        ({"jti": None}, TYPE),
        ({"sub": None}, TYPE),
        ({"idp_id": 7}, TYPE),
        ({"iat": "1800000000"}, TYPE),
        ({"iat": 1.5}, TYPE),
        ({"iat": True}, TYPE),
        ({"databroker_record_version": None}, TYPE),
        ({"databroker_record_version": True}, TYPE),
        ({"aud": "app.example.com"}, TYPE),
        ({"aud": [7]}, TYPE),
        ({"aud": None}, TYPE),
    ],
    ids=str,
)
def test_a_token_of_another_purpose_or_shape_is_no_handle(
    claims: dict[str, Any], headers: dict[str, str]
) -> None:
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    with pytest.raises(HandleError):
        CODEC.decode(jwt.encode(merged, KEY.reveal(), "HS256", headers=headers))


@pytest.mark.parametrize(
    ("key", "algorithm"), [(STRANGE.reveal(), "HS256"), (KEY.reveal() * 2, "HS512"), ("", "none")]
)
def test_another_key_or_algorithm_makes_no_handle(key: Any, algorithm: str) -> None:
    with pytest.raises(HandleError):
        CODEC.decode(jwt.encode(CLAIMS, key, algorithm, headers=TYPE))


def test_times_in_a_handle_do_not_matter_the_record_decides() -> None:
    claims = {**CLAIMS, "exp": 1, "nbf": 99_999_999_999}
    assert CODEC.decode(jwt.encode(claims, KEY.reveal(), "HS256", headers=TYPE)) == HANDLE
