"""The demo's configuration is a real one: the loader reads it without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_grammar import parse_text
from pomerium_tw.config import PolicyFile, load
from pomerium_tw.demo import ensure_certificates
from pomerium_tw.demo.settings import HOSTS, Addresses, write_settings
from pomerium_tw.demo.state import StateFolder, ensure_secrets


def write(folder: Path, address: str = "127.0.0.1", port: int = 8443) -> Path:
    state = StateFolder(folder)
    certificates = ensure_certificates(state, HOSTS, 2_000_000_000)
    addresses = Addresses(address, port, 40001, 40002)
    return write_settings(state, addresses, certificates, ensure_secrets(state))


@pytest.mark.parametrize("name", ["state", 'odd "name": # {x} \u00e4'])
def test_the_loader_accepts_it_without_warnings(tmp_path: Path, name: str) -> None:
    loaded = load(write(tmp_path / name), {})
    assert loaded.warnings == ()
    settings = loaded.settings
    assert (settings.address.host, settings.address.port) == ("127.0.0.1", 8443)
    assert settings.state_dir == tmp_path / name
    assert settings.pass_identity_headers
    assert settings.jwt_claims_headers == {"X-Pomerium-Claim-Email": "email"}
    assert settings.idp_provider_url == "https://idp.localhost:8443"
    assert [route.from_.host for _, route in settings.all_routes] == [
        "verify.localhost",
        "admin.localhost",
        "public.localhost",
        "idp.localhost",
    ]


def test_who_may_open_what(tmp_path: Path) -> None:
    routes = {route.name: route for _, route in load(write(tmp_path), {}).settings.all_routes}
    assert routes["verify"].allow_any_authenticated_user
    assert routes["public"].allow_public_unauthenticated_access
    assert not routes["admin"].allow_any_authenticated_user
    assert not routes["admin"].allow_public_unauthenticated_access
    policy = routes["admin"].policy
    assert isinstance(policy, PolicyFile)
    (parsed,) = parse_text((tmp_path / "admin.ppl").read_text(), "admin.ppl")
    assert [str(rule.action) for rule in parsed.rules] == ["allow"]
    assert routes["idp"].pass_identity_headers is False


def test_the_default_port_and_other_addresses_are_written_as_they_should(tmp_path: Path) -> None:
    text = write(tmp_path, "::1", 443).read_text()
    assert 'address: "[::1]:443"' in text
    assert 'authenticate_service_url: "https://authenticate.localhost"' in text
    assert load(tmp_path / "config.yaml", {}).settings.address.host == "::1"
