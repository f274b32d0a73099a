"""Requests, identities and policies for the tests of this room, by hand or at random from a small world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from policy_grammar import Criterion, Policy, parse_text
from pomerium_tw.model import ANONYMOUS, Head, Identity, Peer, Request, Session, Target, User
from pomerium_tw.policy import CompiledPolicy, compile_policy
from tests.policy_grammar.trees import policies


def request(method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None) -> Request:
    fields = tuple((name.lower().encode(), value.encode()) for name, value in (headers or {}).items())
    head = Head(host="app.example.com", port=None, fields=fields, passed=b"")
    return Request("id", method, "https", Target(path.encode(), path, None), head, Peer("192.0.2.1", 4000))


def identity(user_id: str = "u1", email: str = "", **claims: tuple[Any, ...]) -> Identity:
    return Identity(Session("s1", user_id, "idp", 0.0, 9.0), User(user_id, "", email, claims))


def compiled(rules: str) -> CompiledPolicy:
    """One unnamed policy from the text of its rules."""
    return compile_policy(parse_text(f"policy {{ {rules} }}", "t.ppl"))


words = st.sampled_from(["", "a", "b", "ab", "a@b", "a@b@c", "/a", "GET", "OPTIONS"])
scalars = st.one_of(words, st.sampled_from([0, 1, 1.0, 5, True, False]))
_strings = st.one_of(
    words,
    st.dictionaries(
        st.sampled_from(["is", "not", "contains", "starts_with", "ends_with"]), words, min_size=1
    ),
    st.dictionaries(st.sampled_from(["in", "not_in"]), st.lists(words, max_size=3), min_size=1),
)
_lists = st.one_of(scalars, st.dictionaries(st.sampled_from(["has", "is", "exclude"]), scalars, min_size=1))

criteria = st.one_of(
    st.builds(
        Criterion,
        st.sampled_from(["accept", "reject", "authenticated_user", "cors_preflight"]),
        st.just(""),
        scalars,
    ),
    st.builds(
        Criterion,
        st.sampled_from(["user", "email", "domain", "http_method", "http_path"]),
        st.just(""),
        _strings,
    ),
    st.builds(Criterion, st.just("claim"), st.sampled_from(["x", "y"]), _lists),
)
random_policies: st.SearchStrategy[list[Policy]] = st.lists(policies(criteria), max_size=3)
_claims = st.dictionaries(st.sampled_from(["x", "y"]), st.lists(scalars, max_size=3).map(tuple), max_size=2)
identities = st.one_of(
    st.just(ANONYMOUS),
    st.builds(
        Identity,
        st.one_of(
            st.none(),
            st.builds(Session, st.just("s"), words, st.just("i"), st.just(0.0), st.just(9.0), _claims),
        ),
        st.one_of(st.none(), st.builds(User, words, st.just(""), words, _claims)),
    ),
)
requests = st.builds(
    request,
    st.sampled_from(["GET", "OPTIONS"]),
    words,
    st.dictionaries(st.sampled_from(["origin", "access-control-request-method"]), words, max_size=2),
)
