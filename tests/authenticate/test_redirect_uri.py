from __future__ import annotations

import pytest

from pomerium_tw.authenticate import RedirectError, redirect_authority
from pomerium_tw.authenticate.redirect_uri import host_of


@pytest.mark.parametrize(
    ("uri", "authority"),
    [
        ("https://app.example.com/", "app.example.com"),
        ("https://app.example.com", "app.example.com"),
        ("https://APP.Example.com:8443/x?y=https://evil#z", "app.example.com:8443"),
        ("https://app.example.com?x=1@evil", "app.example.com"),
        ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ("https://app.example.com/a|b^c`d{e}", "app.example.com"),
        ("HTTPS://app.example.com/", "app.example.com"),
    ],
)
def test_plain_addresses_have_the_authority_that_a_browser_would_ask(uri: str, authority: str) -> None:
    assert redirect_authority(uri) == authority


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example\\.app.example.com/",
        "https://user@app.example.com/",
        "https://user:pw@app.example.com/",
        "https://app.example.com\t/",
        "https://app.example.com/\n",
        "\thttps://app.example.com/",
        "https:app.example.com",
        "https:/app.example.com",
        "https:////app.example.com",
        "//app.example.com/",
        "/path",
        "",
        "http://app.example.com/",
        "ws://app.example.com/",
        "https://app.example.com:port/",
        "https://app.example.com:70000/",
        "https://app_.example.com%00/",
        "https://.example.com/",
        "https://-/",
        "https://[::1/",
        "https://app.example.com/<script>",
        "https://app.example.com/\x7f",
        "https://app.example.com/é",
    ],
)
def test_anything_that_a_browser_might_read_otherwise_is_refused(uri: str) -> None:
    with pytest.raises(RedirectError):
        redirect_authority(uri)


def test_plain_http_only_where_it_was_allowed() -> None:
    assert redirect_authority("http://www.example.com/bye", ("https", "http")) == "www.example.com"


def test_the_host_of_an_authority() -> None:
    assert host_of("app.example.com") == host_of("app.example.com:8443") == "app.example.com"
    assert host_of("[2001:db8::1]") == host_of("[2001:db8::1]:8443") == "[2001:db8::1]"
