"""Templates and headers: everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jinja2 import PackageLoader, UndefinedError

from pomerium_tw.model import Reply
from pomerium_tw.pages import (
    Detail,
    ErrorFacts,
    Form,
    Link,
    bare_reply,
    forward_reply,
    handler_reply,
    html_reply,
    json_reply,
    load_pages,
    message_reply,
    text_reply,
)
from pomerium_tw.pages.render import _environment

from .memory import headers_of, incoming

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}&amp;\u202e\u2028\x1b\r\n\udc00"


class Markup(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def markup(reply: Reply) -> Markup:
    return Markup(reply.body.decode())


def assert_harmless(page: Markup) -> None:
    """No script, no inline style, no handler, no foreign resource."""
    for tag, attributes in page.tags:
        assert tag not in ("script", "style", "iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "action"):
            assert (attributes.get(name) or "/").startswith("/")
        if tag == "link":
            assert (attributes["href"] or "").startswith("/.pomerium/assets/")


def test_an_error_page_escapes_every_field() -> None:
    facts = ErrorFacts(
        403,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        details=(Detail(HOSTILE, HOSTILE, HOSTILE),),
        actions=(Link(HOSTILE, "https://example.com/\"'><script>"),),
        forms=(Form(HOSTILE, "/\"'><script>", ((HOSTILE, HOSTILE),)),),
    )
    request = incoming(host='"><script>alert(1)</script>')._replace(id=HOSTILE)
    page = markup(handler_reply(facts, request))
    assert_harmless(page)
    assert page.text.count("<script>alert(1)</script>") >= 9
    assert "49" not in page.text


def test_a_message_page_escapes_every_field() -> None:
    form = Form(HOSTILE, "/x", ((HOSTILE, HOSTILE),))
    page = markup(
        message_reply(HOSTILE, HOSTILE, advice=HOSTILE, links=(Link(HOSTILE, "/y"),), forms=(form,))
    )
    assert_harmless(page)
    hidden = [attributes for tag, attributes in page.tags if tag == "input"]
    assert len(hidden) == 1
    assert "<script>" in (hidden[0]["value"] or "")


def test_the_security_policy_is_the_one_of_the_design() -> None:
    headers = headers_of(message_reply("t", "m"))
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: https:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "no-cache" in headers["cache-control"]


def test_a_page_is_accessible_in_its_bones() -> None:
    page = markup(message_reply("Title", "m", links=(Link("Go", "/"),)))
    tags = [tag for tag, _ in page.tags]
    assert {"header", "main", "footer"} <= set(tags)
    assert tags.count("h1") == 1
    assert ("html", {"lang": "en"}) in page.tags
    assert any(attributes.get("name") == "viewport" for _, attributes in page.tags)
    assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")


def test_the_first_button_stands_out() -> None:
    forms, links = (Form("Do", "/do"),), (Link("Go", "/go"), Link("Stay", "/stay"))
    classes = [
        attributes["class"]
        for _, attributes in markup(message_reply("t", "m", links=links)).tags
        if "href" in attributes and "class" in attributes
    ]
    assert classes == ["button main", "button"]
    page = markup(message_reply("t", "m", links=links, forms=forms))
    classes = [attributes["class"] for tag, attributes in page.tags if tag in ("a", "button")]
    assert classes == ["button main", "button", "button"]


def test_no_template_is_opened_once_pages_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_arguments: object) -> None:
        raise OSError(24, "Too many open files")

    _environment.cache_clear()
    load_pages()
    monkeypatch.setattr(PackageLoader, "get_source", closed)
    assert handler_reply(ErrorFacts(503, "title", "message"), incoming()).status == 503
    assert message_reply("title", "message").status == 200


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        html_reply("message.html", title="t")


def test_forwarding_moves_on_at_once_and_offers_a_link() -> None:
    reply = forward_reply("https://idp.example.com/end?a=1&b=2", headers=((b"Set-Cookie", b"x=; Max-Age=0"),))
    headers = headers_of(reply)
    assert reply.status == 200
    assert headers["refresh"] == "0; url=https://idp.example.com/end?a=1&b=2"
    assert headers["set-cookie"] == "x=; Max-Age=0"
    assert b'href="https://idp.example.com/end?a=1&amp;b=2"' in reply.body


@pytest.mark.parametrize("location", ["javascript:alert(1)", "//evil", "/a\r\nX: y", "https://exämple.com/"])
def test_forwarding_goes_to_web_addresses_only(location: str) -> None:
    with pytest.raises(ValueError):  # UnicodeEncodeError is one too
        forward_reply(location)


def test_json_is_pure_ascii() -> None:
    reply = json_reply({"a": "é\u2028\r\n</script>\udc00"}, 418)
    assert reply.status == 418
    assert re.fullmatch(rb"[\x20-\x7e]+", reply.body)


def test_text_keeps_what_it_is_given() -> None:
    reply = text_reply("é\n", 400)
    assert (reply.status, reply.body) == (400, "é\n".encode())


def test_a_bare_reply_is_short_plain_text() -> None:
    reply = bare_reply(400, "the request line is not METHOD TARGET HTTP/1.1")
    assert reply.status == 400
    assert headers_of(reply)["content-type"].startswith("text/plain")
    assert reply.body == b"400 Bad Request\nthe request line is not METHOD TARGET HTTP/1.1\n"
