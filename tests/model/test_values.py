"""The values that everybody speaks."""

from __future__ import annotations

import copy
import pickle

import pytest

from pomerium_tw.model import (
    ANONYMOUS,
    Head,
    Identity,
    Peer,
    Reply,
    Request,
    Secret,
    Session,
    Target,
    User,
    flatten_claims,
    redirect,
)


def test_a_secret_never_prints() -> None:
    secret = Secret("mark")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>5}", "%s" % secret, repr([secret])):  # noqa: UP031
        assert "mark" not in shown
    assert (secret.reveal(), secret.reveal_text()) == (b"mark", "mark")


def test_a_secret_cannot_leave_the_process_or_be_compared() -> None:
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Secret"):
            copied(Secret("mark"))
    assert Secret("a") != Secret("a")
    assert not Secret("")


def test_claims_are_flattened_as_they_are_stored() -> None:
    claims = {
        "name": "n",
        "groups": ["a", "b", {"no": 1}, None, ["x"]],
        "address": {"city": "Graz", "geo": {"lat": 47.0}},
        "verified": True,
        "none": None,
        "empty": [],
    }
    assert flatten_claims(claims) == {
        "name": ("n",),
        "groups": ("a", "b"),
        "address.city": ("Graz",),
        "address.geo.lat": (47.0,),
        "verified": (True,),
        "empty": (),
    }


def test_claims_that_lie_too_deep_are_left_out() -> None:
    claims: dict[str, object] = {"at": "32"}
    for depth in range(31, 0, -1):
        claims = {"at": str(depth), "n": claims}
    deepest = "n." * 31 + "at"
    assert flatten_claims(claims)[deepest] == ("32",)
    deeper = flatten_claims({"n": claims})
    assert (deeper["n.at"], "n." + deepest in deeper, len(deeper)) == (("1",), False, 31)
    for _ in range(10_000):
        claims = {"n": claims}
    assert flatten_claims({"name": "x", "deep": claims}) == {"name": ("x",)}


def test_a_claim_of_endless_marks_stays_as_it_is() -> None:
    marks = "a" + "\u0301\u0323" * 16_000
    who = Identity(
        Session("s", "u", "idp", 0, 1, claims={"name": (marks, "e\u0301")}), User("u", email=marks)
    )
    assert (who.claims, who.email) == ({"name": (marks, "é")}, marks)


def test_marks_before_the_at_sign_leave_the_domain_in_its_one_form() -> None:
    who = Identity(user=User("u", email="a" + "\u0301" * 31 + "@bu\u0308cher.example"))
    assert who.domain == "xn--bcher-kva.example"


def test_claims_are_put_together_once_with_texts_in_normal_form_c() -> None:
    who = Identity(Session("s", "u", "idp", 0, 1, claims={"name": ("Jose\u0301", 7, True)}))
    assert who.claims == {"name": ("Jos\u00e9", 7, True)}
    assert who.claims is who.claims


def test_the_users_claims_lie_over_the_sessions() -> None:
    who = Identity(
        Session("s", "u", "idp", 0, 1, {"a": ("session",), "b": ("session",)}),
        User("u", email="e", claims={"b": ("user",)}),
    )
    assert dict(who.claims) == {"a": ("session",), "b": ("user",)}
    assert (who.user_id, who.email) == ("u", "e")
    assert (ANONYMOUS.user_id, ANONYMOUS.email, dict(ANONYMOUS.claims)) == ("", "", {})


def test_each_identity_remembers_for_itself() -> None:
    first, second = Identity(), Identity()
    first.memo["x"] = 1
    assert second.memo == {}
    assert first != second


def test_a_head_joins_lines_of_one_name_and_shows_odd_bytes_escaped() -> None:
    head = Head(host="a", port=8443, fields=((b"x", b"1"), (b"y", b"\xff"), (b"x", b"2")), passed=b"")
    assert (head.get(b"x"), head.get(b"z")) == (b"1, 2", None)
    assert (head.text(b"y"), head.text(b"z")) == ("\\xff", "")
    assert head.authority == "a:8443"


def test_a_request_knows_its_address() -> None:
    head = Head(host="a.example", port=None, fields=(), passed=b"")
    for query, url in (
        (None, "https://a.example/x%20y"),
        (b"", "https://a.example/x%20y?"),
        (b"q=1", "https://a.example/x%20y?q=1"),
    ):
        request = Request("id", "GET", "http", Target(b"/x%20y", "/x y", query), head, Peer("192.0.2.1", 1))
        assert request.url == url


def test_a_redirect_is_one_header_line() -> None:
    assert redirect("https://a.example/", headers=((b"X", b"1"),)) == Reply(
        302, ((b"Location", b"https://a.example/"), (b"X", b"1"))
    )


@pytest.mark.parametrize("location", ["/a\r\nX: 1", "/a b", "/\x00", "/\x7f", "/ä"])
def test_a_redirect_that_could_be_more_than_a_line_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"redirect|ascii"):
        redirect(location)
