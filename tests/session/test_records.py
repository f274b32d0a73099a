from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from pomerium_tw.databroker import DIRECTORY_USER, SESSION, USER, Record
from pomerium_tw.identity import Tokens
from pomerium_tw.model import Secret
from pomerium_tw.session import (
    SignIn,
    beside_of,
    directory_record,
    open_tokens,
    session_of,
    sign_in_records,
    user_of,
)
from pomerium_tw.session.records import texts_of
from pomerium_tw.token import Sealer

SEALER = Sealer(Secret(b"k" * 32))
TOKENS = Tokens.from_text("access", "refresh", "id.to.ken", 1_800_000_300.5)
SIGN_IN = SignIn(
    session_id="session-1",
    user_id="alice",
    idp_id="idp",
    claims={"email": ("alice@example.com",), "groups": ("a", "b"), "address.city": ("Bonn",)},
    name="Alice",
    email="alice@example.com",
    tokens=TOKENS,
    issued_at=1_800_000_000.0,
    expires_at=1_800_050_400.0,
    audience=("auth.example.com",),
)


def records(sign_in: SignIn = SIGN_IN) -> tuple[Record, Record]:
    user, session = sign_in_records(sign_in, SEALER)
    stored = [replace(record, data=json.loads(json.dumps(dict(record.data)))) for record in (user, session)]
    return replace(stored[0], version=1), replace(stored[1], version=2)


def plain(tokens: Tokens | None) -> tuple[bytes, bytes, bytes, float | None]:
    assert tokens is not None
    secrets = (tokens.access_token, tokens.refresh_token, tokens.id_token)
    return (*(secret.reveal() for secret in secrets), tokens.expires_at)  # type: ignore[return-value]


def test_a_sign_in_becomes_a_user_record_then_a_session_record() -> None:
    user, session = records()
    assert (user.type, user.id) == (USER, "alice") and (session.type, session.id) == (SESSION, "session-1")
    assert user_of(user).email == "alice@example.com" and user_of(user).claims["groups"] == ("a", "b")
    read = session_of(session)
    assert (read.user_id, read.idp_id, read.version) == ("alice", "idp", 2)
    assert (read.issued_at, read.expires_at) == (1_800_000_000.0, 1_800_050_400.0)
    assert read.claims["address.city"] == ("Bonn",) and read.audience == ("auth.example.com",)


def test_tokens_are_sealed_in_the_record_and_come_back() -> None:
    _, session = records()
    text = json.dumps(session.data)
    assert "refresh" not in text.replace('"refresh_token"', "") and "id.to.ken" not in text
    assert plain(open_tokens(session, SEALER)) == plain(TOKENS)


def test_absent_tokens_stay_absent_and_large_ones_fit() -> None:
    _, session = records(replace(SIGN_IN, tokens=Tokens()))
    assert plain(open_tokens(session, SEALER)) == (b"", b"", b"", None)
    large = Tokens.from_text("a" * 10_000, "r" * 10_000, "i" * 10_000, None)
    _, session = records(replace(SIGN_IN, tokens=large))
    assert plain(open_tokens(session, SEALER)) == plain(large)


def test_tokens_of_another_session_kind_or_key_do_not_open() -> None:
    _, session = records()
    moved = replace(session, id="session-2")
    assert open_tokens(moved, SEALER) is None
    tokens = dict(session.data["tokens"])
    tokens["access_token"] = tokens["refresh_token"]
    assert open_tokens(replace(session, data={**session.data, "tokens": tokens}), SEALER) is None
    assert open_tokens(session, Sealer(Secret(b"x" * 32))) is None
    for other in (None, "text", 7, []):
        assert open_tokens(replace(session, data={**session.data, "tokens": other}), SEALER) is None


@pytest.mark.parametrize("missing", ["user_id", "idp_id", "issued_at", "expires_at"])
def test_a_record_without_its_facts_is_no_session(missing: str) -> None:
    _, session = records()
    data = {name: value for name, value in session.data.items() if name != missing}
    with pytest.raises(KeyError):
        session_of(replace(session, data=data))


@pytest.mark.parametrize("claims", [{"a": "b"}, {"a": None}, {}])
def test_claims_that_are_no_lists_count_as_none(claims: Any) -> None:
    user, _ = records()
    assert not user_of(replace(user, data={**user.data, "claims": claims})).claims


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        *((name, odd) for name in ("user_id", "idp_id") for odd in (None, 7, ["alice"], True)),
        *(
            (name, odd)
            for name in ("issued_at", "expires_at")
            for odd in ("nan", "inf", "1800000000", None, True, [], math.nan, math.inf, 10**400)
        ),
        *(("audience", odd) for odd in ("auth.example.com", 5, {"a": 1}, ["a", None])),
        *(("claims", odd) for odd in ("text", [1])),
    ],
)
def test_a_record_of_another_shape_is_no_session(field: str, odd: object) -> None:
    _, session = records()
    with pytest.raises((TypeError, ValueError)):
        session_of(replace(session, data={**session.data, field: odd}))


@pytest.mark.parametrize("field", ["name", "email", "claims"])
@pytest.mark.parametrize("odd", [7, ["alice@example.com"], True])
def test_a_record_of_another_shape_is_no_user(field: str, odd: object) -> None:
    user, _ = records()
    with pytest.raises(TypeError):
        user_of(replace(user, data={**user.data, field: odd}))


def test_a_user_without_name_and_address_has_none() -> None:
    user, _ = records()
    for data in ({}, {"name": None, "email": None, "claims": None}):
        bare = user_of(replace(user, data=data))
        assert (bare.name, bare.email, dict(bare.claims)) == ("", "", {})


def test_null_in_a_field_that_may_be_absent_is_an_absent_field() -> None:
    _, record = records()
    session = session_of(replace(record, data={**record.data, "audience": None, "claims": None}))
    assert session.audience == () and not session.claims
    with pytest.raises(TypeError):
        texts_of({"group_ids": [None]}, "group_ids")


def test_sessions_beside_one_are_in_its_record_where_there_are_any() -> None:
    _, alone = records()
    assert "beside" not in alone.data and beside_of(alone) == ()
    _, record = sign_in_records(replace(SIGN_IN, beside=("s2", "s3")), SEALER)
    assert beside_of(record) == ("s2", "s3")


@pytest.mark.parametrize("odd", ["1800000300", True, math.nan, math.inf, 10**400, None])
def test_tokens_whose_end_is_no_time_have_none(odd: object) -> None:
    _, session = records()
    data = {**session.data, "tokens": {**session.data["tokens"], "expires_at": odd}}
    tokens = open_tokens(replace(session, data=data), SEALER)
    assert tokens is not None and tokens.expires_at is None


def test_claims_are_lists_in_a_record_and_tuples_in_a_session() -> None:
    _, record = records()
    claims = session_of(
        replace(record, data={**record.data, "claims": {"a": ["x", 1], "b": "no list"}})
    ).claims
    assert claims == {"a": ("x", 1)} and dict(claims) == {"a": ("x", 1)}
    assert claims["a"] == claims.get("a") == ("x", 1) and len(claims) == 1 and "a" in claims
    for name in ("b", "missing"):
        assert claims.get(name) is None and claims.get(name, ()) == () and name not in claims
        with pytest.raises(KeyError):
            claims[name]
    with pytest.raises(TypeError):
        claims["a"] = ()  # type: ignore[index]


def directory(groups: tuple[str, ...] | None, known: Record | None = None) -> list[str] | None:
    """Group ids that a sign-in writes; None where it writes nothing."""
    record = directory_record(replace(SIGN_IN, groups=groups), known)
    assert record is None or (record.type, record.id) == (DIRECTORY_USER, "alice")
    return None if record is None else list(record.data["group_ids"])


def test_groups_of_a_sign_in_become_the_users_directory_record() -> None:
    assert directory(("b", "a", "b")) == ["b", "a"]
    assert directory(()) == [] and directory(None) is None
    known = directory_record(replace(SIGN_IN, groups=("a",)), None)
    assert directory(("a",), known) is None, "nothing changed"
    assert directory(("b",), known) == ["b"]
    assert directory(None, known) == [], "groups that are named no more are taken back"


def test_a_directory_providers_record_is_left_alone() -> None:
    theirs = Record.new(DIRECTORY_USER, "alice", {"group_ids": ["x"]})
    assert directory(("a",), theirs) is None and directory(None, theirs) is None
