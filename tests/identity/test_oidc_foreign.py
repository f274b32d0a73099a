"""A sign-in at an OpenID Provider that nobody here wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import parse_qs, urlsplit

import pytest
from oidc_provider_mock import User, run_server_in_thread
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from pomerium_tw.identity import (
    AccessDeniedError,
    BoundedClient,
    GrantRefusedError,
    IIdentityProvider,
    Redirect,
    SignInStart,
    find_factory,
)
from pomerium_tw.model import Secret

START = SignInStart("the state", "the nonce", Secret("v" * 43), "https://auth.example.com/oauth2/callback")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = [User(sub="alice", claims={"email": "alice@example.com", "name": "Alice"})]
    with run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(issuer: str) -> IIdentityProvider:
    factory = find_factory("oidc")
    settings = factory.settings_model(
        kind="oidc",
        authenticate_url="https://auth.example.com",
        url=issuer,
        client_id="proxy",
        client_secret=Secret("hush"),
        scopes=("openid", "profile", "email"),
    )
    return factory.build(settings, BoundedClient(reactor), time.time)


async def answer_of(provider: IIdentityProvider, form: str) -> dict[str, str]:
    """The callback parameters after the person sent ``form`` on the provider's page."""
    beginning = await provider.begin(START)
    assert isinstance(beginning, Redirect)
    location = await deferToThread(_post, beginning.url, form)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def _post(url: str, form: str) -> str:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", form, headers)
    location = connection.getresponse().getheader("Location")
    connection.close()
    assert location is not None
    return location


@ensureDeferred
async def test_signing_in_refreshing_and_leaving(provider: IIdentityProvider, issuer: str) -> None:
    answer = await answer_of(provider, "sub=alice")
    identity = await provider.complete(answer, START)
    assert (identity.user_id, identity.name, identity.email) == ("alice", "Alice", "alice@example.com")
    refreshed = await provider.refresh(identity.tokens)
    assert refreshed.user_id == "alice"
    assert refreshed.tokens.access_token.reveal() != identity.tokens.access_token.reveal()
    with pytest.raises(GrantRefusedError):
        await provider.complete(answer, START)
    url = await provider.sign_out_url(identity.tokens.id_token, "https://auth.example.com/")
    assert url is not None and url.startswith(f"{issuer}/oauth2/end_session?")


@ensureDeferred
async def test_a_person_who_refuses(provider: IIdentityProvider) -> None:
    with pytest.raises(AccessDeniedError):
        await provider.complete(await answer_of(provider, "action=deny"), START)
