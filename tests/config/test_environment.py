"""The environment wins over the file, key by key (spec/proxy §1.1)."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from policy_grammar import Span
from pomerium_tw.config import ConfigError, load

from .conftest import HOME, Load, Problems


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_environment_alone_is_enough() -> None:
    settings = load(None, {**HOME, "INSECURE_SERVER": "true"}).settings
    assert settings.insecure_server is True
    assert settings.routes == ()


def test_a_variable_wins_over_its_key_and_no_other(loaded: Load) -> None:
    text = "cookie_name: file\ncookie_expire: 1h\n"
    settings = loaded(text, {"COOKIE_NAME": "variable"}).settings
    assert (settings.cookie_name, settings.cookie_expire) == ("variable", 3600.0)


def test_a_blank_variable_counts_as_unset(loaded: Load) -> None:
    assert loaded("cookie_name: file\n", {"COOKIE_NAME": ""}).settings.cookie_name == "file"


def test_lists_and_maps_come_from_text(loaded: Load) -> None:
    environ = {
        "IDP_SCOPES": "openid, email",
        "IDP_REQUEST_PARAMS": '{"prompt": "login"}',
        "JWT_CLAIMS_HEADERS": "email groups",
        "RUNTIME_FLAGS": '{"routes_portal": false}',
    }
    settings = loaded("", environ).settings
    assert settings.idp_scopes == ("openid", "email")
    assert settings.idp_request_params == {"prompt": "login"}
    assert settings.jwt_claims_headers == {
        "x-pomerium-claim-email": "email",
        "x-pomerium-claim-groups": "groups",
    }
    assert settings.flag("routes_portal") is False


def test_keys_of_traffic_are_variables(loaded: Load) -> None:
    environ = {
        "HTTP_REDIRECT_ADDR": "'127.0.0.1:8080'",
        "USE_PROXY_PROTOCOL": "true",
        "XFF_NUM_TRUSTED_HOPS": "2",
        "TRUSTED_PROXIES": "10.0.0.0/8,::1",
        "TIMEOUT_WRITE": "1m",
        "TIMEOUT_HEADER": "5s",
        "MIN_BODY_RATE": "0",
        "MAX_CONNECTIONS": "10",
        "MAX_CONNECTIONS_PER_CLIENT": "0",
        "MAX_REQUEST_BODY": "1000",
        "ALLOW_UPGRADES": "WebSocket, , foo",
        "PATH_WITH_ESCAPED_SLASHES_ACTION": "UNESCAPE_AND_FORWARD",
    }
    settings = loaded("max_connections: 5\nmin_body_rate: 7\n", environ).settings
    assert str(settings.http_redirect_addr) == "127.0.0.1:8080"
    assert (settings.use_proxy_protocol, settings.xff_num_trusted_hops) == (True, 2)
    assert [str(each) for each in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (settings.timeout_write, settings.timeout_header, settings.min_body_rate) == (60.0, 5.0, 0)
    assert (settings.max_connections, settings.max_connections_per_client) == (10, 0)
    assert (settings.max_request_body, settings.allow_upgrades) == (1000, ("websocket", "foo"))
    assert settings.path_with_escaped_slashes_action == "unescape_and_forward"


def test_problems_of_variables_name_the_variable(problems: Problems) -> None:
    assert problems("address: ':80'\n", {"ADDRESS": "a:b", "WORKERS": "2"}) == [
        "environment ADDRESS: address: the port is not a number up to 65535",
        "environment WORKERS: workers: several workers are not built yet",
    ]


def test_positions_of_what_a_variable_replaced_are_gone(loaded: Load) -> None:
    found = loaded("routes:\n  - from: https://a.b\n    to: http://c\n", {"ROUTES": encoded("[]")})
    assert found.settings.routes == ()
    assert found.span("routes", 0, "from") == Span("environment ROUTES", 1, 1)


@pytest.mark.parametrize("name", ["POLICY", "ROUTES"])
def test_routes_come_from_base64(loaded: Load, problems: Problems, name: str) -> None:
    route = "- from: https://a.example.com\n  to: http://a\n"
    settings = loaded("", {name: encoded(route)}).settings
    assert [str(route.from_) for _, route in settings.all_routes] == ["https://a.example.com"]
    assert problems("", {name: encoded(route + "  form: x\n")}) == [
        f"environment {name}:3:3: there is no route key form"
    ]


def test_routes_may_be_json(loaded: Load) -> None:
    text = encoded('[{"from": "https://a.example.com", "to": ["http://a"]}]')
    assert loaded("", {"ROUTES": text}).settings.routes[0].upstreams[0].host == "a"


def test_routes_that_are_not_base64_are_refused(problems: Problems) -> None:
    assert problems("", {"ROUTES": "- from: x"}) == [
        "environment ROUTES: this is not base64 of a list of routes in YAML or JSON"
    ]


@pytest.mark.parametrize("written", ['{"X-A": "1", "X-B": "2"}', "X-A:1,X-B: 2"])
def test_headers_has_two_forms_and_wins(loaded: Load, written: str) -> None:
    settings = loaded("set_response_headers: {X-File: 'yes'}\n", {"HEADERS": written}).settings
    assert settings.response_headers() == {"X-A": "1", "X-B": "2"}


def test_any_other_form_of_headers_is_refused(problems: Problems) -> None:
    assert problems("", {"HEADERS": "X-A"}) == [
        "environment HEADERS: this is neither a JSON object nor a list of Name:value"
    ]


def test_members_of_nested_keys_are_variables_too(problems: Problems) -> None:
    assert problems("", {"DOWNSTREAM_MTLS_CA_FILE": "/ca.pem"}) == [
        "environment DOWNSTREAM_MTLS_CA_FILE: the key downstream_mtls is not built yet,"
        " and ignoring it would open the door"
    ]


def test_removed_keys_stop_start_up_from_the_environment_too(problems: Problems) -> None:
    assert problems("", {"CLIENT_CA": "x"}) == ["environment CLIENT_CA: the key client_ca was removed"]


def test_certificates_cannot_be_a_variable(loaded: Load) -> None:
    assert loaded("", {"CERTIFICATES": "nonsense"}).settings.certificates == ()


def test_state_dir_follows_xdg(loaded: Load, tmp_path: Path) -> None:
    assert loaded("").settings.state_dir == Path("/home/somebody/.local/state/pomerium-tw")
    xdg = {"XDG_STATE_HOME": "/var/lib/x"}
    assert loaded("", xdg).settings.state_dir == Path("/var/lib/x/pomerium-tw")
    assert loaded("state_dir: here\n", xdg).settings.state_dir == tmp_path / "here"


def test_every_variable_that_cannot_be_read_is_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"HEADERS": "x", "ROUTES": "%"})
    assert {problem.span.file for problem in caught.value.problems} == {
        "environment HEADERS",
        "environment ROUTES",
    }
