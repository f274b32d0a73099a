from __future__ import annotations

import pytest

from pomerium_tw.model import ANONYMOUS, Identity, Session, User
from pomerium_tw.policy import Evaluation

from ..situations import compiled, identity, request

CORS = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}


def allow(criterion: str, caller: Identity = ANONYMOUS, **asked: object) -> tuple[bool, set[str]]:
    found: Evaluation = compiled(f"allow or {{ {criterion} }}").evaluate(request(**asked), caller)  # type: ignore[arg-type]
    return found.allow, set(found.allow_reasons)


def test_accept_and_reject() -> None:
    assert allow("accept") == (True, {"accept"})
    assert allow("reject") == (False, {"reject"})


@pytest.mark.parametrize(
    ("criterion", "stem"),
    [
        ("authenticated_user", "user"),
        ('user "u1"', "user"),
        ('email "a@b.com"', "email"),
        ('domain "b.com"', "domain"),
        ('claim/team "red"', "claim"),
    ],
)
def test_session_criteria_match_then_refuse_then_ask_to_sign_in(criterion: str, stem: str) -> None:
    assert allow(criterion, identity("u1", "a@b.com", team=("red",))) == (True, {f"{stem}-ok"})
    nobody = Identity(Session("s1", "", "idp", 0.0, 9.0))
    assert allow(criterion, nobody) == (False, {f"{stem}-unauthorized"})
    assert allow(criterion) == (False, {"user-unauthenticated"})


@pytest.mark.parametrize("criterion", ['email not "x"', 'email ""', 'claim/team exclude "red"'])
def test_criteria_that_match_without_a_session_keep_doing_so(criterion: str) -> None:
    assert allow(criterion)[0] is True


def test_a_domain_is_the_second_piece_of_the_address() -> None:
    assert allow('domain "b"', identity(email="a@b@c"))[0]
    assert not allow('domain "c"', identity(email="a@b@c"))[0]
    assert allow('domain ""', identity(email="a@"))[0]


def test_user_claims_win_over_session_claims() -> None:
    session = Session("s1", "u1", "idp", 0.0, 9.0, {"team": ("red",)})
    assert allow('claim/team "red"', Identity(session))[0]
    assert not allow('claim/team "red"', Identity(session, User("u1", claims={"team": ("blue",)})))[0]


def test_claim_names_are_exact() -> None:
    caller = identity(**{"a.b": ("x",), "example.com/key": ("y",)})
    assert allow('claim/a.b "x"', caller)[0]
    assert allow('claim/example.com/key "y"', caller)[0]
    assert not allow('claim/a/b "x"', caller)[0]
    assert not allow('claim/A.b "x"', caller)[0]


def test_method_and_path() -> None:
    assert allow('http_method "PUT"', method="PUT") == (True, {"http-method-ok"})
    assert allow('http_method "put"', method="PUT") == (False, {"http-method-unauthorized"})
    assert allow('http_path starts_with "/a"', path="/a b") == (True, {"http-path-ok"})
    assert allow('http_path "/a"', path="/ab") == (False, {"http-path-unauthorized"})


def test_cors_preflight_needs_method_and_both_headers() -> None:
    assert allow("cors_preflight", method="OPTIONS", headers=CORS) == (True, {"cors-request"})
    assert allow("cors_preflight", method="GET", headers=CORS) == (False, {"non-cors-request"})
    for name in CORS:
        assert not allow("cors_preflight", method="OPTIONS", headers={**CORS, name: ""})[0]
        assert not allow("cors_preflight", method="OPTIONS", headers={name: "x"})[0]


def test_data_of_criteria_that_use_none_is_ignored() -> None:
    assert allow('accept { any ["thing"] }')[0]


def test_a_sub_path_is_ignored_where_a_criterion_has_no_use_for_it() -> None:
    assert allow("accept/anything true")[0]
