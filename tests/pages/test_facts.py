"""The values that pages are written from."""

from __future__ import annotations

import pytest

from pomerium_tw.pages import ErrorFacts, Form, Link, status_text


@pytest.mark.parametrize(
    "address", ["/", "/.pomerium/?a=b", "https://example.com/x", "http://localhost:8000/"]
)
def test_links_go_to_web_addresses_and_own_paths(address: str) -> None:
    assert Link("x", address).href == address
    assert Form("x", address).action == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "relative",
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        " https://evil.example",
        "/a b",
        "/a\r\nSet-Cookie: x=1",
        "/a\x7f",
    ],
)
def test_no_link_goes_anywhere_else(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|link"):
        Link("x", address)
    with pytest.raises(ValueError, match=r"address|link"):
        Form("x", address)


def test_every_status_has_a_phrase() -> None:
    assert status_text(404) == "Not Found"
    assert status_text(413) == "Content Too Large"
    assert status_text(450) == "Device Not Authorized"
    assert status_text(495) == "Client Certificate Required"
    assert status_text(799) == "Error"


def test_the_reason_defaults_to_the_phrase_of_the_status() -> None:
    assert ErrorFacts(403, "T", "M").reason_text == "Forbidden"
    assert ErrorFacts(403, "T", "M", reason="why").reason_text == "why"
