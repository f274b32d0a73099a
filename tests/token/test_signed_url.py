"""URLs that only we could have made."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from twisted.internet.task import Clock

from pomerium_tw.model import Secret
from pomerium_tw.token import SignatureError, SignedURLs

KEY = Secret("test-key")
NOW = 1_574_117_851


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest.fixture
def urls(clock: Clock) -> SignedURLs:
    return SignedURLs(KEY, clock.seconds)


def test_the_signature_is_that_of_the_specification() -> None:
    assert SignedURLs(KEY, lambda: NOW).sign("https://pomerium.io", {}) == (
        f"https://pomerium.io?pomerium_expiry={NOW + 300}&pomerium_issued={NOW}"
        "&pomerium_signature=XtvM-Y-oPvoGGV2Q5G0vrQ_CgNeYhVyTG5dHIqLsBOU%3D"
    )


def test_a_signed_url_verifies_and_gives_its_parameters_back(urls: SignedURLs) -> None:
    url = urls.sign("https://a.example/x?old=1", {"z": "ä &=+", "empty": ""})
    assert urls.verify(url) == {
        "old": "1",
        "z": "ä &=+",
        "empty": "",
        "pomerium_issued": str(NOW),
        "pomerium_expiry": str(NOW + 300),
    }


def test_parameters_are_sorted_so_that_both_ends_sign_the_same_text(urls: SignedURLs) -> None:
    url = urls.sign("https://a.example/x?c=3", {"b": "2", "z": "9", "a": "1"})
    names = [name for name, _value in parse_qsl(urlsplit(url).query)]
    assert names == sorted(names)


def test_no_character_of_a_signed_url_can_be_changed(urls: SignedURLs) -> None:
    url = urls.sign("https://a.example/x", {"redirect": "https://b.example/", "n": "1"})
    for at in range(len("https://"), len(url)):
        changed = url[:at] + ("A" if url[at] != "A" else "B") + url[at + 1 :]
        with pytest.raises(SignatureError):
            urls.verify(changed)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda url: url.partition("&pomerium_signature=")[0], id="unsigned"),
        pytest.param(lambda url: url + "&n=1", id="parameter repeated, equal"),
        pytest.param(lambda url: url.replace("?n=1", "?n=2&n=1"), id="parameter repeated, other"),
        pytest.param(lambda url: url.replace("?n=1", "?m=0&n=1"), id="parameter added"),
        pytest.param(lambda url: url.replace("n=1&", ""), id="parameter removed"),
        pytest.param(lambda url: url.replace("a.example", "b.example"), id="other host"),
        pytest.param(lambda url: url.replace("https:", "http:"), id="other scheme"),
        pytest.param(lambda url: url + "&", id="empty parameter"),
        pytest.param(lambda url: "https://a.example/x", id="no query"),
        pytest.param(lambda url: "https://[a.example/x?n=1", id="not a URL"),
        pytest.param(lambda url: url + "&x=" + "y" * 20_000, id="too long"),
        pytest.param(lambda url: url.replace(f"issued={NOW}", f"issued={NOW}0"), id="issued moved"),
        pytest.param(lambda url: url[: url.index("signature=") + 10] + "%C3%A4", id="signature is not ASCII"),
    ],
)
def test_a_url_that_we_did_not_sign_is_refused(urls: SignedURLs, change: object) -> None:
    assert callable(change)
    url = change(urls.sign("https://a.example/x", {"n": "1"}))
    with pytest.raises(SignatureError) as caught:
        urls.verify(url)
    assert not caught.value.expired


def test_bytes_cannot_move_between_the_signed_fields(clock: Clock) -> None:
    """The MAC is over URL, issue and expiry run together: the URL must hold the times itself (RD-08)."""
    urls = SignedURLs(KEY, clock.seconds)
    signed = urls.sign("https://a.example/x", {"n": "1"})
    query = dict(parse_qsl(urlsplit(signed).query))
    whole = signed.partition("&pomerium_signature=")[0]
    moved = f"{whole}{str(NOW)[:1]}&pomerium_signature={query['pomerium_signature']}"
    for forged in (moved, signed.replace(f"issued={NOW}", f"issued={str(NOW)[1:]}")):
        with pytest.raises(SignatureError):
            urls.verify(forged)


@pytest.mark.parametrize(("passed", "good"), [(0, True), (300, True), (360, True), (361, False)])
def test_a_signed_url_is_good_for_five_minutes_and_the_leeway(
    urls: SignedURLs, clock: Clock, passed: int, good: bool
) -> None:
    url = urls.sign("https://a.example/", {})
    clock.advance(passed)
    if good:
        urls.verify(url)
        return
    with pytest.raises(SignatureError, match="no longer valid") as caught:
        urls.verify(url)
    assert caught.value.expired


@pytest.mark.parametrize(("ahead", "good"), [(60, True), (61, False)])
def test_a_url_from_a_clock_ahead_of_ours_is_good_within_the_leeway(ahead: int, good: bool) -> None:
    theirs = SignedURLs(KEY, lambda: NOW + ahead)
    ours = SignedURLs(KEY, lambda: NOW)
    url = theirs.sign("https://a.example/", {})
    if good:
        ours.verify(url)
        return
    with pytest.raises(SignatureError, match="future"):
        ours.verify(url)


def test_a_previous_key_still_verifies_and_a_foreign_one_does_not(clock: Clock, urls: SignedURLs) -> None:
    new = SignedURLs(Secret("new key"), clock.seconds, (KEY,))
    assert new.verify(urls.sign("https://a.example/", {"n": "1"}))["n"] == "1"
    with pytest.raises(SignatureError):
        urls.verify(new.sign("https://a.example/", {"n": "1"}))
