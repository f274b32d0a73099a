from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.identity import ProviderSettings, provider_id

BASE = {
    "kind": "oidc",
    "authenticate_url": "https://auth.example.com",
    "url": "https://idp.example.com",
    "client_id": "proxy",
    "client_secret": "hush",
}


def id_with(**changes: Any) -> str:
    return provider_id(ProviderSettings.model_validate({**BASE, **changes}))


def test_equal_settings_have_equal_ids_on_every_node() -> None:
    assert id_with() == id_with() == id_with(request_params=None)
    assert id_with(request_params={"a": "1", "b": "2"}) == id_with(request_params={"b": "2", "a": "1"})


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "google"},
        {"authenticate_url": "https://other.example.com"},
        {"url": "https://other.example.com"},
        {"client_id": "other"},
        {"scopes": ["openid"]},
        {"scopes": []},
        {"request_params": {}},
    ],
    ids=str,
)
def test_whatever_changes_the_sign_in_changes_the_id(change: dict[str, Any]) -> None:
    assert id_with(**change) != id_with()


def test_secret_and_audience_filter_do_not_change_the_id() -> None:
    assert id_with(client_secret="other", access_token_allowed_audiences=["x"]) == id_with()


def test_a_kind_that_names_users_anew_gets_new_ids() -> None:
    class Renamed(ProviderSettings):
        user_id_scheme = 1

    assert provider_id(Renamed.model_validate(BASE)) != id_with()


def test_the_client_secret_never_prints() -> None:
    settings = ProviderSettings.model_validate(BASE)
    assert settings.client_secret.reveal() == b"hush"
    assert "hush" not in repr(settings) and "hush" not in str(settings.model_dump())
