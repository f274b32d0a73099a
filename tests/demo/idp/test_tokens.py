"""Discovery and the back channel: tokens, userinfo, refresh, revocation, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from pytest_twisted import ensureDeferred

from pomerium_tw.demo.idp.grants import ACCESS_TOKEN_LIFETIME, CODE_LIFETIME

from ..conftest import ADMIN, CALLBACK, ISSUER, MEMBER, NOW, OUTSIDER, VERIFIER, Answer, Provider


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.text)["error"]


async def read_id_token(provider: Provider, token: str) -> dict[str, Any]:
    """Verify as a client does: keys from the JWKS that discovery names."""
    document = json.loads((await provider.browser().get("/.well-known/openid-configuration")).text)
    keys = json.loads((await provider.browser().get(document["jwks_uri"].removeprefix(ISSUER))).text)["keys"]
    assert keys[0]["kid"] == jwt.get_unverified_header(token)["kid"]
    claims: dict[str, Any] = jwt.decode(
        token,
        jwt.PyJWK(keys[0]),
        ["RS256"],
        audience="client",
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


@ensureDeferred
async def test_discovery_names_the_issuer_whatever_host_is_asked(provider: Provider) -> None:
    answer = await provider.browser().send(
        "GET", "/.well-known/openid-configuration", headers={"X-Forwarded-Host": "evil.example"}
    )
    document = json.loads(answer.text)
    assert document["issuer"] == ISSUER
    for name, value in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert value.startswith(f"{ISSUER}/"), name
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "evil" not in answer.text


@ensureDeferred
async def test_a_code_becomes_tokens_with_the_right_claims(provider: Provider) -> None:
    code = await provider.code(ADMIN)
    provider.clock.advance(5)
    answer = await provider.token(code=code)
    assert answer.status == 200
    assert answer.header("Cache-Control") == "no-store"
    tokens = json.loads(answer.text)
    assert tokens["token_type"] == "Bearer"
    claims = await read_id_token(provider, tokens["id_token"])
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": ISSUER,
        "sub": ADMIN.subject,
        "aud": "client",
        "iat": int(NOW) + 5,
        "exp": int(NOW) + 305,
        "auth_time": int(NOW),
        "nonce": "nonce-1",
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "name": ADMIN.name,
        "preferred_username": ADMIN.username,
        "groups": ["admins", "staff"],
        "email": "admin@corp.example",
        "email_verified": True,
    }


@ensureDeferred
async def test_userinfo_gives_what_the_scope_allows(provider: Provider) -> None:
    tokens = json.loads((await provider.token(code=await provider.code(OUTSIDER, scope="openid email"))).text)
    assert "refresh_token" not in tokens
    claims = json.loads((await provider.userinfo(tokens["access_token"])).text)
    assert claims == {"sub": OUTSIDER.subject, "email": "outsider@elsewhere.example", "email_verified": True}


@ensureDeferred
async def test_userinfo_wants_a_live_token(provider: Provider) -> None:
    nothing = await provider.browser().get("/userinfo")
    assert (nothing.status, nothing.header("WWW-Authenticate")) == (401, "Bearer")
    unknown = await provider.userinfo("unknown")
    assert 'error="invalid_token"' in unknown.header("WWW-Authenticate")
    tokens = json.loads((await provider.token(code=await provider.code())).text)
    assert (await provider.userinfo(tokens["refresh_token"])).status == 401
    provider.clock.advance(ACCESS_TOKEN_LIFETIME)
    assert (await provider.userinfo(tokens["access_token"])).status == 401


@pytest.mark.parametrize("verifier", [None, "w" * 43, VERIFIER + "v", "v", "vv\u00e9" * 20])
@ensureDeferred
async def test_a_code_needs_the_verifier_of_its_challenge(provider: Provider, verifier: str | None) -> None:
    code = await provider.code()
    assert error_of(await provider.token(code=code, code_verifier=verifier)) == (400, "invalid_grant")
    assert error_of(await provider.token(code=code)) == (400, "invalid_grant")


@ensureDeferred
async def test_a_challenge_dropped_on_the_way_is_noticed(provider: Provider) -> None:
    code = await provider.code(code_challenge=None, code_challenge_method=None)
    assert error_of(await provider.token(code=code)) == (400, "invalid_grant")
    plain = await provider.code(code_challenge=None, code_challenge_method=None)
    assert (await provider.token(code=plain, code_verifier=None)).status == 200


@ensureDeferred
async def test_a_replayed_code_revokes_what_it_gave(provider: Provider) -> None:
    code = await provider.code()
    tokens = json.loads((await provider.token(code=code)).text)
    assert (await provider.userinfo(tokens["access_token"])).status == 200
    assert error_of(await provider.token(code=code)) == (400, "invalid_grant")
    assert (await provider.userinfo(tokens["access_token"])).status == 401
    assert error_of(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@ensureDeferred
async def test_a_code_lives_a_minute(provider: Provider) -> None:
    code = await provider.code()
    provider.clock.advance(CODE_LIFETIME)
    assert error_of(await provider.token(code=code)) == (400, "invalid_grant")


@ensureDeferred
async def test_a_code_is_bound_to_client_and_redirect_uri(provider: Provider) -> None:
    other = {"client_id": "other", "client_secret": "other secret"}
    assert error_of(await provider.token(code=await provider.code(), **other)) == (400, "invalid_grant")
    elsewhere = await provider.token(code=await provider.code(), redirect_uri=CALLBACK + "x")
    assert error_of(elsewhere) == (400, "invalid_grant")


@ensureDeferred
async def test_refresh_tokens_rotate_and_a_used_one_ends_everything(provider: Provider) -> None:
    first = json.loads((await provider.token(code=await provider.code())).text)
    provider.clock.advance(1000)
    answer = await provider.refresh(first["refresh_token"])
    second = json.loads(answer.text)
    claims = await read_id_token(provider, second["id_token"])
    assert (claims["iat"], claims["auth_time"]) == (int(NOW) + 1000, int(NOW))
    assert (await provider.userinfo(second["access_token"])).status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert error_of(await provider.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert (await provider.userinfo(second["access_token"])).status == 401
    assert error_of(await provider.refresh(second["refresh_token"])) == (400, "invalid_grant")


@ensureDeferred
async def test_a_refresh_token_is_its_clients_alone(provider: Provider) -> None:
    tokens = json.loads((await provider.token(code=await provider.code())).text)
    stolen = await provider.refresh(tokens["refresh_token"], client_id="other", client_secret="other secret")
    assert error_of(stolen) == (400, "invalid_grant")
    assert (await provider.refresh(tokens["refresh_token"])).status == 200


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@ensureDeferred
async def test_revoking_either_token_ends_the_grant_for_its_client_alone(
    provider: Provider, name: str
) -> None:
    tokens = json.loads((await provider.token(code=await provider.code())).text)
    client = {"client_id": "client", "client_secret": "secret"}
    other = {"client_id": "other", "client_secret": "other secret"}
    assert (await provider.browser().post("/revoke", token="unknown", **client)).status == 200
    assert (await provider.browser().post("/revoke", token=tokens[name], **other)).status == 200
    assert (await provider.userinfo(tokens["access_token"])).status == 200
    assert (await provider.browser().post("/revoke", token=tokens[name], **client)).status == 200
    assert (await provider.userinfo(tokens["access_token"])).status == 401
    assert error_of(await provider.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert error_of(await provider.browser().post("/revoke", token="x")) == (401, "invalid_client")


@ensureDeferred
async def test_clients_prove_themselves_by_basic_too(provider: Provider) -> None:
    def basic(text: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    async def ask(header: dict[str, str], **more: str) -> Answer:
        return await provider.browser().post(
            "/token",
            header,
            grant_type="authorization_code",
            code=await provider.code(),
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
            **more,
        )

    assert (await ask(basic("client:secret"))).status == 200
    assert (
        await ask(basic(f"{quote_plus('client')}:{quote_plus('secret')}"), client_id="client")
    ).status == 200
    for header, more in (
        (basic("client:wrong"), {}),
        (basic("nobody:"), {}),
        (basic("client"), {}),
        (basic("client:secret"), {"client_secret": "secret"}),
        (basic("client:secret"), {"client_id": "other"}),
        ({"Authorization": "Basic %%%"}, {}),
        ({"Authorization": "Bearer x"}, {"client_id": "client"}),
        ({}, {"client_id": "client"}),
        ({}, {"client_id": "client", "client_secret": "wrong"}),
        ({}, {}),
    ):
        answer = await ask(header, **more)
        assert error_of(answer) == (401, "invalid_client")
        assert answer.header("WWW-Authenticate").startswith("Basic")


@ensureDeferred
async def test_malformed_token_requests_say_what_is_wrong(provider: Provider) -> None:
    assert error_of(await provider.token()) == (400, "invalid_request")
    assert error_of(await provider.token(grant_type=None)) == (400, "invalid_request")
    assert error_of(await provider.token(grant_type="password")) == (400, "unsupported_grant_type")
    in_query = await provider.browser().send("POST", "/token?grant_type=refresh_token&client_id=client")
    assert error_of(in_query) == (400, "invalid_request")
    twice = await provider.browser().send(
        "POST", "/token", b"code=a&code=b", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert error_of(twice) == (400, "invalid_request")


@ensureDeferred
async def test_each_account_has_its_groups_and_domain(provider: Provider) -> None:
    seen = {}
    for account in (ADMIN, MEMBER, OUTSIDER):
        tokens = json.loads((await provider.token(code=await provider.code(account))).text)
        claims = json.loads((await provider.userinfo(tokens["access_token"])).text)
        seen[claims["email"].partition("@")[2], tuple(claims["groups"])] = claims["sub"]
    assert seen == {
        ("corp.example", ("admins", "staff")): ADMIN.subject,
        ("corp.example", ("staff",)): MEMBER.subject,
        ("elsewhere.example", ()): OUTSIDER.subject,
    }
