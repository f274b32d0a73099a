"""Addresses and URLs."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.config.addresses import (
    Address,
    FromURL,
    authority,
    flatten,
    parse_address,
    parse_from,
    parse_service_url,
    parse_to,
    parse_web_url,
)
from pomerium_tw.config.problem import DecodeError
from pomerium_tw.model import Upstream


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (":443", Address("", 443)),
        ("127.0.0.1:8443", Address("127.0.0.1", 8443)),
        ("localhost", Address("localhost", 443)),
        ("", Address("", 443)),
        ("[::1]:8443", Address("::1", 8443)),
        ("[::1]", Address("::1", 443)),
        ("::", Address("::", 443)),
        ('":80"', Address("", 80)),
        (":0", Address("", 0)),
    ],
)
def test_addresses(written: str, address: Address) -> None:
    assert parse_address(written, 443) == address


@pytest.mark.parametrize("written", ["a:b", ":65536", "a b:1", "[x]:1", "[::1]:", "1:2:3", "-:1", None, []])
def test_broken_addresses_are_refused(written: Any) -> None:
    with pytest.raises(DecodeError):
        parse_address(written, 443)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("*:8089", "write :8089 for every address"),
        ("*", "write :port for every address"),
        ("*.example.com:80", "write :80 for every address"),
    ],
)
def test_a_listener_with_a_star_is_told_how_every_address_is_written(written: str, hint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_address(written, 443)
    assert (caught.value.message, caught.value.hint) == ("a listener's host cannot hold *", hint)


def test_an_address_is_written_as_it_is_read() -> None:
    assert str(parse_address("[::1]:8443", 1)) == "[::1]:8443"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://App.Example.com", FromURL("https", "app.example.com", None)),
        ("https://app.example.com:443/", FromURL("https", "app.example.com", None)),
        ("https://app.example.com:8443", FromURL("https", "app.example.com", 8443)),
        ("http://app.example.com:443", FromURL("http", "app.example.com", 443)),
        ("https://*.example.com", FromURL("https", "*.example.com", None)),
        ("https://a*b.example.com.", FromURL("https", "a*b.example.com", None)),
        ("https://[::1]:8443", FromURL("https", "[::1]", 8443)),
        ("https://[2001:DB8:0::1]", FromURL("https", "[2001:db8::1]", None)),
    ],
)
def test_from(written: str, url: FromURL) -> None:
    assert parse_from(written) == url


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("app.example.com", "no scheme"),
        ("https://", "no host"),
        ("https:///x", "no host"),
        ("https://a.example.com/x", "path"),
        ("https://a.example.com?x", "path"),
        ("https://a.example.com#x", "fragment"),
        ("https://u:p@a.example.com", "user name"),
        ("https://a b", "blanks"),
        ("https://a\n.com", "blanks"),
        ("https://bücher.example", "ASCII"),
        ("https://a.example.com:0", "port"),
        ("https://a.example.com:x", "port"),
        ("https://a..b", "host"),
        ("https://[::1", "not a URL"),
        ("ftp://a", "https://"),
        ("tcp+https://a:22", r"tcp\+https:// are not built yet"),
        ("udp+https://a:22", r"udp\+https:// are not built yet"),
        ("ssh://a", "ssh:// are not built yet"),
    ],
)
def test_broken_from_is_refused(written: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse_from(written)


@pytest.mark.parametrize(
    ("written", "upstream", "weighted"),
    [
        ("http://app", Upstream("http", "app", 80, authority="app"), False),
        ("https://App:8443/base/", Upstream("https", "app", 8443, "/base/", authority="App:8443"), False),
        ("http://10.0.0.1:80,10", Upstream("http", "10.0.0.1", 80, weight=10, authority="10.0.0.1:80"), True),
        ("https://[::1]", Upstream("https", "::1", 443, authority="[::1]"), False),
        ("unix:///run/app.sock", Upstream("unix", "/run/app.sock", 0), False),
        ("unix:/run/a%20b,3", Upstream("unix", "/run/a b", 0, weight=3), True),
        ("https+unix:///run/app.sock", Upstream("https+unix", "/run/app.sock", 0), False),
    ],
)
def test_to(written: str, upstream: Upstream, weighted: bool) -> None:
    assert parse_to(written) == (upstream, weighted)


@pytest.mark.parametrize("scheme", ["h2c", "tcp", "udp", "ssh"])
def test_upstream_schemes_of_later_are_named(scheme: str) -> None:
    with pytest.raises(DecodeError, match="not built yet"):
        parse_to(f"{scheme}://app:1")


@pytest.mark.parametrize(
    "written",
    [
        "app:80",
        "http://app,0",
        "http://app,x",
        "http://app,100001",
        "http://app,",
        "http://*.x",
        "http://a?b",
        "http://u@a",
        "http://a/x/../y",
        "http://a/%zz",
        5,
    ],
)
def test_broken_to_is_refused(written: Any) -> None:
    with pytest.raises(DecodeError):
        parse_to(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("unix://run/app.sock", "a socket has no host"),
        ("unix:app.sock", "not the absolute path"),
        ("unix://", "not the absolute path"),
        ("unix:///a%00b", "not the absolute path"),
        ("unix:///run/x?mode=1", "no query"),
        (f"unix:///{'x' * 107}", "at most 107 bytes"),
    ],
)
def test_a_socket_that_cannot_be_reached_is_refused(written: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse_to(written)


def test_the_longest_path_of_a_socket_is_taken() -> None:
    assert parse_to(f"unix:///{'x' * 106}")[0].host == "/" + "x" * 106


def test_a_scheme_of_sockets_that_nobody_has_is_told() -> None:
    with pytest.raises(DecodeError) as caught:
        parse_to("http+unix:///run/app.sock")
    assert caught.value.hint == "write unix:///path"


@pytest.mark.parametrize("written", ["App.example.com", "app:8080", "[::1]:80", "10.0.0.1", "", " app "])
def test_an_authority_stays_as_written(written: str) -> None:
    assert authority(written) == written.strip()


@pytest.mark.parametrize(
    "written", ["a b", "app:", "app:0", "app:x", "http://app", "a/b", "*.a", "é", "a\r\nb"]
)
def test_a_broken_authority_is_refused(written: str) -> None:
    with pytest.raises(DecodeError):
        authority(written)


def test_to_is_flattened() -> None:
    assert flatten("a,b") == ["a,b"]
    assert flatten(["a", ["b", ["c"]]]) == ["a", "b", "c"]


def test_service_urls_have_no_path() -> None:
    assert parse_service_url("https://Auth.example.com:443/").url == "https://auth.example.com"
    assert parse_service_url("https://auth.example.com:8443").port == 8443
    for written in ("https://a/x", "https://*.a", "ftp://a", "a"):
        with pytest.raises(DecodeError):
            parse_service_url(written)


def test_web_urls_keep_path_and_query() -> None:
    assert parse_web_url("https://a.example.com/bye?x=1") == "https://a.example.com/bye?x=1"
    for written in ("javascript:alert(1)", "/bye", "https://*.a"):
        with pytest.raises(DecodeError):
            parse_web_url(written)
