"""No code, no token and no password of an address is in a log (spec/threats LG-02)."""

from __future__ import annotations

import pytest

from pomerium_tw.telemetry.hiding import hidden_in_url, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "code",
        "state",
        "session_state",
        "id_token",
        "accessToken",
        "oobCode",
        "CODE",
        "pomerium_session",
        "pomerium_redirect_uri",
        "pomerium_jwt",
        "client_secret",
        "api_key",
        "apikey",
        "X-Amz-Signature",
        "SAMLResponse",
        "user%5Bpassword%5D",
        "%63ode",
        "c%6fde",
        "key",
        "ticket",
    ],
)
def test_what_lets_somebody_in_is_stars(name: str) -> None:
    query = f"page=2&{name}=secret-mark&lang=en".encode()
    assert without_secrets(query) == f"page=2&{name}=********&lang=en".encode()
    assert b"secret-mark" not in without_secrets(f"a=b;{name}=secret=mark;c".encode())


@pytest.mark.parametrize(
    "query",
    [
        b"page=2&sort=name",
        b"q=a%20code&codec=h264&monkey=1&estate=big&design=x",
        b"code",
        b"code=&state",
        b"=x&&;&=",
        b"path=/a/b&what=now?",
        b"",
    ],
)
def test_anything_else_is_kept_byte_for_byte(query: bytes) -> None:
    assert without_secrets(query) == query


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"next=/a?token=secret-mark", b"next=/a?********"),
        (b"next=https%3A%2F%2Fa%2Fb%3Fx%3Dsecret-mark&n=1", b"next=https%3A%2F%2Fa%2Fb%3F********&n=1"),
        (b"next=https%253a%252f%252fa%253fx%253dsecret-mark", b"next=https%253a%252f%252fa%253f********"),
        (b"next=%2Fa%23access_token%3Dsecret-mark", b"next=%2Fa%23********"),
    ],
)
def test_an_address_in_a_value_ends_where_its_query_begins(query: bytes, shown: bytes) -> None:
    assert without_secrets(query) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"https://a/b?code=secret-mark&c=d", b"https://a/b?code=********&c=d"),
        (b"/a?pomerium_session=secret-mark", b"/a?pomerium_session=********"),
        (b"/a#id_token=secret-mark", b"/a#id_token=********"),
        (b"/a?b=c#access_token=secret-mark", b"/a?b=c#access_token=********"),
        (b"/a?b=c", b"/a?b=c"),
        (b"text/html;q=0.5, code=1", b"text/html;q=0.5, code=1"),
        (b"who?", b"who?"),
        (b"", b""),
    ],
)
def test_headers_that_are_addresses_are_treated_alike(value: bytes, shown: bytes) -> None:
    assert hidden_in_url(value) == shown
