"""The generic provider against a faithful OpenID Provider, then against one that errs or lies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from pomerium_tw.identity import (
    AccessDeniedError,
    GrantRefusedError,
    IIdentityProvider,
    InvalidAnswerError,
    NotSupportedError,
    ProviderError,
    ProviderIdentity,
    ProviderUnavailableError,
    Redirect,
    SignInStart,
    Tokens,
    find_factory,
)
from pomerium_tw.model import Secret

from .conftest import NOW, build_oidc
from .openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

START = SignInStart("the state", "the nonce", Secret("v" * 43), "https://auth.example.com/oauth2/callback")


async def authorization_url(provider: IIdentityProvider) -> str:
    beginning = await provider.begin(START)
    assert isinstance(beginning, Redirect)
    return beginning.url


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


async def sign_in(
    provider: IIdentityProvider, op: OpenIdProvider, start: SignInStart = START
) -> ProviderIdentity:
    answer = query_of(op.authorize(await authorization_url(provider)))
    return await provider.complete(answer, start)


@ensureDeferred
async def test_a_sign_in_yields_claims_of_id_token_and_userinfo_and_the_tokens(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.users["alice"] = {"name": "Alice", "email": "alice@example.com", "address": {"city": "Bonn"}}
    identity = await sign_in(build_oidc(op, clock), op)
    assert (identity.user_id, identity.name, identity.email) == ("alice", "Alice", "alice@example.com")
    assert identity.claims["iss"] == op.issuer and identity.claims["address"] == {"city": "Bonn"}
    assert identity.tokens.access_token and identity.tokens.refresh_token and identity.tokens.id_token
    assert identity.tokens.expires_at == NOW + 300
    assert "*" in repr(identity.tokens) and identity.tokens.access_token.reveal_text() not in repr(identity)


@ensureDeferred
async def test_the_request_carries_state_nonce_and_an_s256_challenge(
    op: OpenIdProvider, clock: Clock
) -> None:
    query = query_of(await authorization_url(build_oidc(op, clock)))
    assert query["state"] == "the state" and query["nonce"] == "the nonce"
    assert query["scope"] == "openid profile email offline_access"
    assert query["code_challenge_method"] == "S256" and "v" * 43 not in str(query)


@ensureDeferred
async def test_settings_replace_scopes_and_add_parameters_but_not_our_own(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(
        op,
        clock,
        scopes=["openid", "groups"],
        request_params={
            "prompt": "login",
            "state": "mine",
            "code_challenge_method": "plain",
            "redirect_uri": "https://evil",
        },
    )
    query = query_of(await authorization_url(provider))
    assert query["scope"] == "openid groups" and query["prompt"] == "login"
    assert query["state"] == "the state" and query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == START.redirect_uri


@ensureDeferred
async def test_without_s256_in_the_metadata_no_pkce_is_spoken(op: OpenIdProvider, clock: Clock) -> None:
    op.pkce = False
    provider = build_oidc(op, clock)
    assert "code_challenge" not in query_of(await authorization_url(provider))
    assert (await sign_in(provider, op)).user_id == "alice"


@ensureDeferred
async def test_a_dropped_challenge_makes_the_token_request_fail(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    url = (await authorization_url(provider)).replace("code_challenge=", "dropped=")
    with pytest.raises(GrantRefusedError):
        await provider.complete(query_of(op.authorize(url)), START)


@ensureDeferred
async def test_another_verifier_does_not_redeem_the_code(op: OpenIdProvider, clock: Clock) -> None:
    other = replace(START, code_verifier=Secret("w" * 43))
    with pytest.raises(GrantRefusedError) as caught:
        await sign_in(build_oidc(op, clock), op, other)
    assert "not good" not in str(caught.value), "descriptions may quote codes"
    assert not caught.value.temporary


@ensureDeferred
async def test_a_provider_that_only_takes_secrets_in_the_body_gets_them_there(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(op, clock)
    await sign_in(provider, op)
    assert "client_secret" not in dict(op.seen)["/token"]
    op.metadata = lambda document: {
        **document,
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }
    op.seen.clear()
    await sign_in(build_oidc(op, clock), op)
    assert dict(op.seen)["/token"]["client_secret"] == CLIENT_SECRET


@ensureDeferred
async def test_a_wrong_client_secret_names_the_setting_to_look_at(op: OpenIdProvider, clock: Clock) -> None:
    with pytest.raises(ProviderError, match="idp_client_secret") as caught:
        await sign_in(build_oidc(op, clock, client_secret="wrong"), op)
    assert "wrong" not in str(caught.value)


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "of another sign-in"}, "nonce"),
    "no nonce": ({"nonce": None}, "nonce"),
    "another issuer": ({"iss": "https://evil.example"}, "issuer"),
    "another audience": ({"aud": "another client"}, "aud"),
    "a list without us": ({"aud": ["a", "b"]}, "aud"),
    "two audiences without azp": ({"aud": [CLIENT_ID, "another"]}, "azp"),
    "another azp": ({"azp": "another"}, "azp"),
    "audience of another type": ({"aud": {CLIENT_ID: 1}}, "aud"),
    "another access token's hash": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    "expired": ({"exp": NOW - 61}, "expired"),
    "no expiry": ({"exp": None}, "exp"),
    "expiry as text": ({"exp": "1800000600"}, "exp"),
    "expiry without end": ({"exp": 10**400}, "exp"),
    "expiry far below": ({"exp": -(10**400)}, "exp"),
    "no beginning": ({"nbf": 10**400}, "nbf"),
    "from the future": ({"iat": NOW + 61}, "future"),
    "not yet": ({"nbf": NOW + 61}, "future"),
    "empty sub": ({"sub": ""}, "sub"),
    "no sub": ({"sub": None}, "sub"),
    "sub of another type": ({"sub": 17}, "sub"),
}


@pytest.mark.parametrize(("lie", "reason"), LIES.values(), ids=LIES.keys())
@ensureDeferred
async def test_an_id_token_that_says_something_else_is_refused_with_the_reason(
    op: OpenIdProvider, clock: Clock, lie: dict[str, Any], reason: str
) -> None:
    def lied(claims: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**claims, **lie}.items() if value is not None}

    op.claims = lied
    with pytest.raises(InvalidAnswerError, match=reason):
        await sign_in(build_oidc(op, clock), op)


@ensureDeferred
async def test_our_own_azp_beside_other_audiences_and_small_clock_errors_are_fine(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.claims = lambda claims: {
        **claims,
        "aud": [CLIENT_ID, "api"],
        "azp": CLIENT_ID,
        "exp": NOW - 59,
        "iat": NOW + 59,
    }
    assert (await sign_in(build_oidc(op, clock), op)).user_id == "alice"


@ensureDeferred
async def test_a_token_without_at_hash_is_fine(op: OpenIdProvider, clock: Clock) -> None:
    op.claims = lambda claims: {name: value for name, value in claims.items() if name != "at_hash"}
    assert (await sign_in(build_oidc(op, clock), op)).user_id == "alice"


@ensureDeferred
async def test_a_key_that_is_not_published_does_not_sign_for_the_provider(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(InvalidAnswerError, match="signature"):
        await sign_in(build_oidc(op, clock), op)


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
@ensureDeferred
async def test_symmetric_and_absent_signatures_are_refused(
    op: OpenIdProvider, clock: Clock, algorithm: str
) -> None:
    op.algorithm, op.key = algorithm, None if algorithm == "none" else CLIENT_SECRET * 3
    with pytest.raises(InvalidAnswerError, match="asymmetric"):
        await sign_in(build_oidc(op, clock), op)


@ensureDeferred
async def test_a_token_without_key_id_is_tried_with_every_key(op: OpenIdProvider, clock: Clock) -> None:
    op.published.insert(0, ("other", ec.generate_private_key(ec.SECP256R1())))
    op.key_id = None
    assert (await sign_in(build_oidc(op, clock), op)).user_id == "alice"


@ensureDeferred
async def test_a_new_key_is_fetched_but_unknown_ids_cause_one_fetch_a_minute(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(op, clock)
    await sign_in(provider, op)
    op.key, op.key_id = ec.generate_private_key(ec.SECP256R1()), "key-2"
    op.published = [("key-2", op.key)]
    with pytest.raises(InvalidAnswerError, match="signature"):
        await sign_in(provider, op)
    assert op.count("/jwks") == 1
    clock.advance(61)
    await sign_in(provider, op)
    assert op.count("/jwks") == 2
    op.key_id = "key-3"
    for _ in range(3):
        with pytest.raises(InvalidAnswerError, match="signature"):
            await sign_in(provider, op)
    assert op.count("/jwks") == 2


@ensureDeferred
async def test_a_withdrawn_key_is_believed_for_an_hour_at_most(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    await sign_in(provider, op)
    op.published = [("key-2", ec.generate_private_key(ec.SECP256R1()))]
    clock.advance(3601)
    with pytest.raises(InvalidAnswerError, match="signature"):
        await sign_in(provider, op)


@ensureDeferred
async def test_discovery_happens_once_and_is_tried_again_after_a_failure(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(op, clock)
    op.status["/.well-known/openid-configuration"] = 503
    with pytest.raises(ProviderUnavailableError) as caught:
        await provider.begin(START)
    assert caught.value.temporary
    op.status.clear()
    op.seen.clear()
    first, second = provider.begin(START), provider.begin(START)
    await first
    await second
    await provider.begin(START)
    assert op.count("/.well-known/openid-configuration") == 1


@ensureDeferred
async def test_one_who_gives_up_waiting_does_not_end_the_discovery_of_others(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(op, clock)
    first, second = provider.begin(START), provider.begin(START)
    first.addErrback(lambda failure: None)
    first.cancel()
    assert isinstance(await second, Redirect)


@ensureDeferred
async def test_metadata_of_another_issuer_is_refused_and_says_what_to_set(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.metadata = lambda document: {**document, "issuer": document["issuer"] + "/"}
    with pytest.raises(ProviderError, match="idp_provider_url"):
        await build_oidc(op, clock).begin(START)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "value", [None, 7, "http://elsewhere.example/x", "javascript:alert(1)", "https://a b"]
)
@ensureDeferred
async def test_metadata_without_usable_endpoints_is_refused(
    op: OpenIdProvider, clock: Clock, name: str, value: Any
) -> None:
    op.metadata = lambda document: {**document, name: value}
    with pytest.raises(ProviderError):
        await build_oidc(op, clock).begin(START)


@ensureDeferred
async def test_the_answer_must_name_the_issuer_when_the_provider_always_does(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.metadata = lambda document: {**document, "authorization_response_iss_parameter_supported": True}
    provider = build_oidc(op, clock)
    answer = query_of(op.authorize(await authorization_url(provider)))
    for wrong in (answer, {**answer, "iss": "https://evil.example"}):
        with pytest.raises(InvalidAnswerError, match="9207"):
            await provider.complete(wrong, START)
    assert (await provider.complete({**answer, "iss": op.issuer}, START)).user_id == "alice"


@ensureDeferred
async def test_an_issuer_that_is_named_unasked_must_be_right_too(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    answer = query_of(op.authorize(await authorization_url(provider)))
    with pytest.raises(InvalidAnswerError, match="9207"):
        await provider.complete({**answer, "iss": "https://evil.example"}, START)
    assert op.count("/token") == 0


@pytest.mark.parametrize(
    ("answer", "error", "temporary"),
    [
        ({"error": "access_denied"}, AccessDeniedError, False),
        ({"error": "unauthorized_client"}, AccessDeniedError, False),
        ({"error": "temporarily_unavailable"}, ProviderUnavailableError, True),
        ({"error": "invalid_scope", "code": "x"}, InvalidAnswerError, False),
        ({}, InvalidAnswerError, False),
        ({"code": ""}, InvalidAnswerError, False),
    ],
)
@ensureDeferred
async def test_what_the_provider_says_instead_of_a_code(
    op: OpenIdProvider, clock: Clock, answer: dict[str, str], error: type[ProviderError], temporary: bool
) -> None:
    with pytest.raises(error) as caught:
        await build_oidc(op, clock).complete(answer, START)
    assert caught.value.temporary is temporary
    assert op.count("/token") == 0


@ensureDeferred
async def test_a_sign_in_without_id_token_fails(op: OpenIdProvider, clock: Clock) -> None:
    op.token_answer = lambda answer: {**answer, "id_token": None}
    with pytest.raises(InvalidAnswerError, match="openid"):
        await sign_in(build_oidc(op, clock), op)


@ensureDeferred
async def test_tokens_that_could_not_travel_in_a_header_are_none(op: OpenIdProvider, clock: Clock) -> None:
    op.token_answer = lambda answer: {**answer, "access_token": "a\r\nX-Evil: 1"}
    with pytest.raises(ProviderError, match="access token"):
        await sign_in(build_oidc(op, clock), op)


@pytest.mark.parametrize("lifetime", [-(10**400), -1, -0.5], ids=["endless", "whole", "half"])
@ensureDeferred
async def test_an_access_token_that_ends_before_it_begins_is_refused(
    op: OpenIdProvider, clock: Clock, lifetime: float
) -> None:
    op.token_answer = lambda answer: {**answer, "expires_in": lifetime}
    with pytest.raises(ProviderError, match="lifetime"):
        await sign_in(build_oidc(op, clock), op)


@ensureDeferred
async def test_an_access_token_lives_ten_years_at_most(op: OpenIdProvider, clock: Clock) -> None:
    op.token_answer = lambda answer: {**answer, "expires_in": 10**400}
    identity = await sign_in(build_oidc(op, clock), op)
    assert identity.tokens.expires_at == NOW + 10 * 365 * 86400


@ensureDeferred
async def test_userinfo_of_somebody_else_is_refused(op: OpenIdProvider, clock: Clock) -> None:
    for sub in ("bob", None, ""):
        op.userinfo = lambda claims, sub=sub: {**claims, "sub": sub}  # type: ignore[misc]
        with pytest.raises(InvalidAnswerError, match="userinfo"):
            await sign_in(build_oidc(op, clock), op)


@ensureDeferred
async def test_userinfo_quirks_are_mended(op: OpenIdProvider, clock: Clock) -> None:
    op.users["alice"] = {"email_verified": "True", "mail": "alice@example.com"}
    identity = await sign_in(build_oidc(op, clock), op)
    assert identity.claims["email_verified"] is True and identity.email == "alice@example.com"
    op.users["alice"] = {"email_verified": "false", "mail": "not an address"}
    identity = await sign_in(build_oidc(op, clock), op)
    assert identity.claims["email_verified"] is False and identity.email == ""


@ensureDeferred
async def test_the_user_id_is_oid_where_there_is_one(op: OpenIdProvider, clock: Clock) -> None:
    op.claims = lambda claims: {**claims, "oid": "object-7"}
    assert (await sign_in(build_oidc(op, clock), op)).user_id == "object-7"


@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo"])
@ensureDeferred
async def test_a_provider_that_fails_half_way_is_a_temporary_error(
    op: OpenIdProvider, clock: Clock, path: str
) -> None:
    op.status[path] = 502
    with pytest.raises(ProviderUnavailableError) as caught:
        await sign_in(build_oidc(op, clock), op)
    assert caught.value.temporary


@ensureDeferred
async def test_refreshing_gives_new_tokens_and_claims(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    before = (await sign_in(provider, op)).tokens
    op.users["alice"] = {"email": "new@example.com"}
    clock.advance(299)
    after = await provider.refresh(before)
    assert after.email == "new@example.com" and after.user_id == "alice"
    assert after.tokens.expires_at == NOW + 299 + 300
    assert after.tokens.refresh_token.reveal() != before.refresh_token.reveal()
    with pytest.raises(GrantRefusedError):
        await provider.refresh(before)


@ensureDeferred
async def test_refreshing_keeps_what_the_provider_does_not_send_again(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.claims = lambda claims: {**claims, "oid": "object-7"}
    provider = build_oidc(op, clock)
    before = (await sign_in(provider, op)).tokens
    op.token_answer = lambda answer: {"access_token": answer["access_token"], "expires_in": "60"}
    after = await provider.refresh(before)
    assert after.user_id == "object-7"
    assert after.tokens.refresh_token.reveal() == before.refresh_token.reveal()
    assert after.tokens.id_token.reveal() == before.id_token.reveal()
    assert after.tokens.expires_at == NOW + 60


@ensureDeferred
async def test_a_refresh_does_not_change_who_it_is(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    before = (await sign_in(provider, op)).tokens
    op.refresh_tokens[before.refresh_token.reveal_text()] = "mallory"
    with pytest.raises(InvalidAnswerError, match="somebody else"):
        await provider.refresh(before)
    with pytest.raises(NotSupportedError):
        await provider.refresh(Tokens())


@ensureDeferred
async def test_revoking_ends_both_tokens_at_the_provider(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    tokens = (await sign_in(provider, op)).tokens
    await provider.revoke(tokens)
    assert not op.access_tokens and not op.refresh_tokens
    hints = [form["token_type_hint"] for path, form in op.seen if path == "/revoke"]
    assert hints == ["access_token", "refresh_token"]


@ensureDeferred
async def test_a_provider_without_revocation_or_end_session_says_so(op: OpenIdProvider, clock: Clock) -> None:
    op.metadata = lambda document: {
        **document,
        "revocation_endpoint": None,
        "end_session_endpoint": None,
    }
    provider = build_oidc(op, clock)
    with pytest.raises(NotSupportedError):
        await provider.revoke(Tokens.from_text("a", "r", "i", None))
    assert await provider.sign_out_url(Secret("hint"), "https://auth.example.com/") is None


@ensureDeferred
async def test_the_sign_out_url_names_client_return_address_and_hint(
    op: OpenIdProvider, clock: Clock
) -> None:
    provider = build_oidc(op, clock)
    url = await provider.sign_out_url(Secret("the.id.token"), "https://auth.example.com/bye?x=1&y=2")
    assert url is not None and url.startswith(op.issuer + "/end_session?from=op&")
    assert query_of(url) == {
        "from": "op",
        "client_id": CLIENT_ID,
        "post_logout_redirect_uri": "https://auth.example.com/bye?x=1&y=2",
        "id_token_hint": "the.id.token",
    }
    bare = await provider.sign_out_url(Secret(""), "https://auth.example.com/")
    assert bare is not None and "id_token_hint" not in bare


@ensureDeferred
async def test_access_tokens_are_verified_by_userinfo_and_their_audience(
    op: OpenIdProvider, clock: Clock
) -> None:
    op.access_tokens["good"] = "alice"
    op.userinfo = lambda claims: {**claims, "aud": "api"}
    provider = build_oidc(op, clock)
    assert (await provider.verify_access_token(Secret("good"))).user_id == "alice"
    with pytest.raises(InvalidAnswerError):
        await provider.verify_access_token(Secret("bad"))
    allowed = build_oidc(op, clock, access_token_allowed_audiences=["api"])
    assert (await allowed.verify_access_token(Secret("good"))).user_id == "alice"
    for audiences in ([], ["other"]):
        with pytest.raises(InvalidAnswerError, match="audience"):
            await build_oidc(op, clock, access_token_allowed_audiences=audiences).verify_access_token(
                Secret("good")
            )


@ensureDeferred
async def test_id_tokens_are_verified_for_this_client(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    token = (await sign_in(provider, op)).tokens.id_token
    assert (await provider.verify_identity_token(token)).user_id == "alice"
    with pytest.raises(InvalidAnswerError, match="aud"):
        await build_oidc(op, clock, client_id="another").verify_identity_token(token)
    clock.advance(661)
    with pytest.raises(InvalidAnswerError, match="expired"):
        await provider.verify_identity_token(token)
    with pytest.raises(InvalidAnswerError, match="JWT"):
        await provider.verify_identity_token(Secret("x.y"))


@ensureDeferred
async def test_a_key_made_for_another_algorithm_does_not_verify(op: OpenIdProvider, clock: Clock) -> None:
    provider = build_oidc(op, clock)
    jwk = op._jwk
    op._jwk = lambda key_id, key: {**jwk(key_id, key), "alg": "ES384"}  # type: ignore[method-assign]
    with pytest.raises(InvalidAnswerError, match="signature"):
        await sign_in(provider, op)
    assert jwt.get_unverified_header(op._issue("alice", None)["id_token"])["alg"] == "ES256"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"url": ""}, "idp_provider_url"),
        ({"url": "http://idp.example.com"}, "https"),
        ({"url": "https://idp.example.com", "client_id": ""}, "idp_client_id"),
        ({"url": "nonsense"}, "idp_provider_url"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_the_network(settings: dict[str, str], key: str) -> None:
    model = find_factory("oidc").settings_model
    with pytest.raises(ValidationError, match=key):
        model.model_validate({"kind": "oidc", "authenticate_url": "https://a", "client_id": "x", **settings})
