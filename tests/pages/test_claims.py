"""No token on any page, wherever it hides (SE-13)."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.pages.claims import may_be_shown, shown_claims

JWS = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", "opaque"),
        ("refresh_token", ("opaque",)),
        ("oauth.Id_Token", "opaque"),
        ("anything", JWS),
        ("anything", ("harmless", f" {JWS} ")),
        ("anything", {"inner": [JWS]}),
        ("anything", {"access_token": "opaque"}),
        ("nonce", "n"),
    ],
)
def test_tokens_are_not_claims(name: str, value: Any) -> None:
    assert not may_be_shown(name, value)
    assert shown_claims({name: value, "sub": "x"}) == {"sub": "x"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "a@b.example"),
        ("picture", "https://x.example/a.b.c"),
        ("n", 7),
        ("v", ()),
        ("eyJ", "eyJ.only"),
    ],
)
def test_claims_are_shown(name: str, value: Any) -> None:
    assert shown_claims({name: value}) == {name: value}


def test_claims_come_in_the_order_of_their_names() -> None:
    assert list(shown_claims({"b": 1, "a": 2, "c": 3})) == ["a", "b", "c"]
