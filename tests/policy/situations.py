"""Requests, identities and policies for the tests of this room, by hand or at random from a small world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from policy_grammar import Criterion, Operator, Policy, Rule, parse_text
from pomerium_tw.model import (
    ANONYMOUS,
    ClientCertificate,
    Device,
    DirectoryGroup,
    DirectoryUser,
    Head,
    Identity,
    MCPCall,
    Peer,
    Request,
    Session,
    SSHLogin,
    Target,
    User,
)
from pomerium_tw.policy import CompiledPolicy, Environment, compile_policy
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


WORLD = Environment(
    now=lambda: datetime(2026, 11, 20, 22, 30, tzinfo=UTC).timestamp(),
    certificate_valid=lambda certificate: certificate is not None and certificate.leaf == b"good",
)
"""The world of the random situations: a client CA that knows one certificate."""

words = st.sampled_from(["", "a", "b", "ab", "a@b", "a@b@c", "/a", "GET", "OPTIONS", "/.pomerium/x"])
scalars = st.one_of(words, st.sampled_from([0, 1, 1.0, 5, True, False]))
_operators = st.one_of(
    st.dictionaries(
        st.sampled_from(["is", "not", "contains", "starts_with", "ends_with"]), words, min_size=1
    ),
    st.dictionaries(st.sampled_from(["in", "not_in"]), st.lists(words, max_size=3), min_size=1),
)
_strings = st.one_of(words, _operators)
_lists = st.one_of(scalars, st.dictionaries(st.sampled_from(["has", "is", "exclude"]), scalars, min_size=1))
_addresses = ["10.0.0.1", "10.1.0.1", "192.0.2.1", "2001:db8::1"]
_networks = st.sampled_from([*_addresses, "10.0.0.0/8", "10.0.0.1/16", "2001:db8::/32", "0.0.0.0/0", "::/0"])
_kinds = st.sampled_from(["any", "enclave_only"])
_hours = st.sampled_from(["05:00", "06:00", "22:00", "22:45", "23:00"])
_times = st.fixed_dictionaries(
    {"timezone": st.just("UTC")}, optional={"after": _hours, "before": _hours}
).filter(lambda data: len(data) > 1 and data.get("after") != data.get("before"))
_devices = st.fixed_dictionaries(
    {}, optional={"is": st.sampled_from(["d1", "d2"]), "approved": st.booleans(), "type": _kinds}
).filter(bool)


def _named(names: list[str], data: st.SearchStrategy[Any]) -> st.SearchStrategy[Criterion]:
    return st.builds(Criterion, st.sampled_from(names), st.just(""), data)


criteria = st.one_of(
    _named(["accept", "reject", "authenticated_user", "cors_preflight", "pomerium_routes"], scalars),
    _named(["invalid_client_certificate"], scalars),
    _named(["user", "email", "domain", "http_method", "http_path", "ssh_username", "mcp_tool"], _strings),
    _named(["groups"], _lists),
    _named(["source_ip"], st.one_of(_networks, st.lists(_networks, max_size=3))),
    _named(["device"], _devices),
    _named(["time_of_day"], _times),
    st.builds(Criterion, st.just("claim"), st.sampled_from(["x", "y"]), _lists),
)

_small = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["allow", "deny"]),
        st.tuples(
            st.builds(
                Operator,
                st.sampled_from(["and", "not", "nor", "or"]),
                st.lists(criteria, min_size=2, max_size=3).map(tuple),
            )
        ),
    ),
    min_size=1,
    max_size=3,
).map(lambda rules: [Policy("", tuple(rules))])
"""Few rules of a few criteria each, which decide by trees."""

random_policies: st.SearchStrategy[list[Policy]] = st.one_of(_small, st.lists(policies(criteria), max_size=3))
_claims = st.dictionaries(st.sampled_from(["x", "y"]), st.lists(scalars, max_size=3).map(tuple), max_size=2)
_directory = st.builds(
    DirectoryUser,
    words,
    st.one_of(st.none(), words),
    st.lists(st.builds(DirectoryGroup, words), max_size=2).map(tuple),
)
identities = st.one_of(
    st.just(ANONYMOUS),
    st.builds(
        Identity,
        st.one_of(
            st.none(),
            st.builds(Session, st.just("s"), words, st.just("i"), st.just(0.0), st.just(9.0), _claims),
        ),
        st.one_of(st.none(), st.builds(User, words, st.just(""), words, _claims)),
        st.one_of(st.none(), _directory),
        st.dictionaries(_kinds, st.builds(Device, st.just("d1"), st.booleans(), st.booleans()), max_size=2),
    ),
)
_calls = st.builds(
    MCPCall, st.just(1), st.sampled_from(["tools/call", "initialize"]), st.one_of(st.none(), words)
)
requests = st.builds(
    lambda asked, address, certificate, call, login: asked._replace(
        peer=Peer(address, 1), certificate=certificate, mcp=call, ssh=login
    ),
    st.builds(
        request,
        st.sampled_from(["GET", "OPTIONS"]),
        words,
        st.dictionaries(st.sampled_from(["origin", "access-control-request-method"]), words, max_size=2),
    ),
    st.sampled_from(_addresses),
    st.sampled_from([None, ClientCertificate(b"good"), ClientCertificate(b"bad")]),
    st.one_of(st.none(), _calls),
    st.one_of(st.none(), st.builds(SSHLogin, words)),
)
