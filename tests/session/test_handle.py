from __future__ import annotations

import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import Secret
from pomerium_tw.session import HandleCodec, HandleError, SessionHandle
from pomerium_tw.token import encode

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
            with pytest.raises(HandleError):
                CODEC.decode(changed)


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


texts = st.text(st.characters(codec="utf-8"), max_size=40)
handles = st.builds(
    SessionHandle,
    id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    user_id=texts,
    audience=st.lists(texts, max_size=3).map(tuple),
    idp_id=texts,
    issued_at=st.integers(-(2**63), 2**63),
    record_version=st.integers(0, 2**63),
)


@given(handles)
def test_pyjwt_writes_the_same_bytes(handle: SessionHandle) -> None:
    claims = {
        "iss": "auth.example.com",
        "sub": handle.user_id,
        "aud": list(handle.audience),
        "iat": handle.issued_at,
        "jti": handle.id,
        "idp_id": handle.idp_id,
        "databroker_record_version": handle.record_version,
    }
    assert CODEC.encode(handle) == jwt.encode(claims, KEY.reveal(), "HS256", headers=TYPE)


@given(handles)
def test_every_handle_is_read_back_alike_by_us_and_by_pyjwt(handle: SessionHandle) -> None:
    text = CODEC.encode(handle)
    assert CODEC.decode(text) == handle
    assert by_pyjwt(text) is not None


def by_pyjwt(text: str) -> dict[str, Any] | None:
    """The claims, if PyJWT takes the text for a JWT of one of our keys and our type."""
    unchecked: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    for key in (KEY, OLD):
        try:
            token = jwt.decode_complete(text, key.reveal(), ["HS256"], options=unchecked)
        except (jwt.PyJWTError, ValueError):
            continue
        return token["payload"] if token["header"].get("typ") == TYPE["typ"] else None
    return None


parts = st.text("abcXYZ019-_=+/. é", max_size=12)


@given(handles, st.integers(0, 2), st.integers(0, 400), st.integers(0, 3), parts)
def test_nothing_is_a_handle_but_what_we_wrote_to_the_character(
    handle: SessionHandle, writer: int, place: int, removed: int, put_in: str
) -> None:
    """Texts that were a handle, of our key, an older one or a stranger's, and were changed somewhere."""
    text = HandleCodec((KEY, OLD, STRANGE)[writer], issuer="auth.example.com").encode(handle)
    place %= len(text) + 1
    changed = text[:place] + put_in + text[place + removed :]
    if changed == text and writer != 2:
        assert CODEC.decode(changed) == handle and by_pyjwt(changed) is not None
        return
    with pytest.raises(HandleError):
        CODEC.decode(changed)


@pytest.mark.parametrize(
    "header",
    [
        '{"typ":"pomerium-session+jwt","alg":"HS256"}',
        '{"alg":"HS256","typ":"pomerium-session+jwt","kid":"1"}',
        '{"alg":"HS256","typ":"pomerium-session+jwt","crit":["x"]}',
        '{"alg":"HS256","alg":"HS256","typ":"pomerium-session+jwt"}',
        '{"alg":"none","typ":"pomerium-session+jwt"}',
        '{"alg":"HS256","typ":"JWT"}',
        '{"alg":"HS256", "typ":"pomerium-session+jwt"}',
    ],
)
def test_there_is_one_header_to_the_byte_even_under_our_key(header: str) -> None:
    with pytest.raises(HandleError):
        CODEC.decode(signed(encode(header.encode()), encode(json.dumps(CLAIMS).encode())))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "?",
        encode(b""),
        encode(b"[]"),
        encode(b'"text"'),
        encode(b"{"),
        encode(b"\xff"),
        encode(b"[" * 2000),
        encode(json.dumps(CLAIMS).encode()) + "=",
        encode(json.dumps(CLAIMS).encode()) + ".",
        encode(json.dumps(CLAIMS).encode()) + ".AAAA",
    ],
)
def test_a_payload_that_we_would_not_write_is_no_handle_even_under_our_key(payload: str) -> None:
    with pytest.raises(HandleError):
        CODEC.decode(signed(CODEC.encode(HANDLE).partition(".")[0], payload))


def signed(header: str, payload: str) -> str:
    """A compact JWS under our own key."""
    mac = hmac.digest(KEY.reveal(), f"{header}.{payload}".encode(), "sha256")
    return f"{header}.{payload}.{encode(mac)}"


def test_a_good_payload_under_our_key_is_a_handle() -> None:
    """Or the refusals above would prove nothing."""
    header = CODEC.encode(HANDLE).partition(".")[0]
    assert CODEC.decode(signed(header, encode(json.dumps(CLAIMS).encode()))) == HANDLE


def test_keys_are_not_shown() -> None:
    assert "kkkk" not in repr(vars(CODEC)) and "kkkk" not in repr(CODEC)


def test_times_in_a_handle_do_not_matter_the_record_decides() -> None:
    claims = {**CLAIMS, "exp": 1, "nbf": 99_999_999_999}
    assert CODEC.decode(jwt.encode(claims, KEY.reveal(), "HS256", headers=TYPE)) == HANDLE
