"""Keys about upstreams on routes that have none, and paths of upstreams that do not count."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pomerium_tw.config import ConfigError
from pomerium_tw.config.route_settings import RouteSettings
from pomerium_tw.config.without_upstream import ABOUT_UPSTREAMS

from .conftest import Load, Problems, pem_pair

HEAD = "routes:\n  - from: https://a.example.com\n    allow_public_unauthenticated_access: true\n"
REDIRECT = HEAD + "    redirect: {host_redirect: b.example.com}\n"
RESPONSE = HEAD + "    response: {status: 200, body: x}\n"
NONE = "no effect on a route without an upstream"


@pytest.mark.parametrize("base", [REDIRECT, RESPONSE])
def test_one_warning_names_all_of_them(warnings: Problems, base: str) -> None:
    lines = (
        "    timeout: 5s\n    set_request_headers: {X-A: '${pomerium.emial}'}\n"
        "    remove_request_headers: [Host]\n    websocket_origins: '*'\n    preserve_host_header: true\n"
        "    host_rewrite: b\n    tls_skip_verify: true\n"
    )
    named = (
        "host_rewrite, preserve_host_header, websocket_origins, timeout, set_request_headers, "
        "remove_request_headers, tls_skip_verify"
    )
    assert warnings(base + lines) == [f"10:19: {named} have {NONE}"]


@pytest.mark.parametrize("base", [REDIRECT, RESPONSE])
@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("host_rewrite_header: Cookie", "host_rewrite_header has"),
        (
            "host_rewrite_header: X-H\n    set_request_headers: {X-H: a b, x-h: c}",
            "host_rewrite_header, set_request_headers have",
        ),
        ("regex_rewrite_pattern: x y", "regex_rewrite_pattern has"),
        (
            "regex_rewrite_pattern: /x\n    regex_rewrite_substitution: \\1",
            "regex_rewrite_pattern, regex_rewrite_substitution have",
        ),
        ("kubernetes_service_account_token: a b", "kubernetes_service_account_token has"),
    ],
)
def test_what_has_no_effect_is_told_of_that_alone(
    warnings: Problems, base: str, lines: str, named: str
) -> None:
    column = lines.index(": ") + 7
    (found,) = warnings(f"{base}    {lines}\n")
    assert found.startswith(f"5:{column}: {named} {NONE}")


def test_a_file_is_told_where_it_is_written(warnings: Problems, tmp_path: Path) -> None:
    pem, _key = pem_pair()
    (tmp_path / "ca.pem").write_bytes(pem)
    file = "    tls_custom_ca_file: ca.pem\n"
    inline = f"    tls_custom_ca: {base64.b64encode(pem).decode()}\n"
    assert warnings(REDIRECT + file) == [f"5:25: tls_custom_ca_file has {NONE}"]
    assert warnings(REDIRECT + file + inline) == [f"6:20: tls_custom_ca, tls_custom_ca_file have {NONE}"]


def test_a_faulty_upstream_is_an_upstream(loaded: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(REDIRECT + "    to: htp://x\n    timeout: 5s\n")
    assert len(caught.value.problems) == 1
    assert [each.message for each in caught.value.warnings if NONE in each.message] == []


def test_a_redirect_rewrites_paths_by_itself(loaded: Load) -> None:
    found = [
        each.hint
        for base in (REDIRECT, RESPONSE)
        for each in loaded(base + "    prefix_rewrite: /x\n").warnings
    ]
    assert found == ["leave it out; a redirect has a prefix_rewrite of its own", "leave it out"]


@pytest.mark.parametrize(
    "line",
    [
        "allow_websockets: false",
        "timeout: 0s",
        "set_request_headers: {}",
        "set_response_headers: {X-A: b}",
        "cors_allow_preflight: true",
        "show_error_details: true",
        "path_with_escaped_slashes_action: keep_unchanged",
    ],
)
def test_what_asks_for_nothing_or_counts_is_not_told(warnings: Problems, line: str) -> None:
    assert warnings(f"{REDIRECT}    {line}\n") == []


def test_all_of_them_are_keys() -> None:
    assert set(ABOUT_UPSTREAMS) <= set(RouteSettings.model_fields)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[http://a/x, http://b/y]", ["4:22"]),
        ("[http://a, http://b/y]", ["4:20"]),
        ("[http://a/x, http://b/x, http://c, http://d/y]", ["4:34", "4:44"]),
        ("[http://a/x, http://b/x]", []),
        ("[http://a, http://b/]", []),
        ("[unix:///a, unix:///b]", []),
    ],
)
def test_the_first_path_of_to_counts_alone(warnings: Problems, written: str, told: list[str]) -> None:
    message = "requests to this upstream get the path of the first one"
    lines = f"{HEAD}    to: {written}\n"
    assert warnings(lines) == [f"{place}: {message}" for place in told]
    assert warnings(f"{lines}    prefix_rewrite: /z\n") == []


def test_a_pattern_for_the_host_has_a_substitution(loaded: Load, warnings: Problems) -> None:
    key = "host_path_regex_rewrite"
    lines = f"{HEAD}    to: http://a\n    {key}_pattern: ^/(.+)/.+$\n"
    message = f"5:38: {key}_pattern stands alone: what it finds is left out of the Host"
    assert warnings(lines) == [message]
    assert warnings(f"{lines}    {key}_substitution: \\1\n") == []
    assert warnings(f"{lines}    {key}_substitution: ''\n") == []
    with pytest.raises(ConfigError) as caught:
        loaded(f"{lines}    {key}_substitution: a b\n")
    assert len(caught.value.problems) == 1
    assert [each.message for each in caught.value.warnings if "stands alone" in each.message] == []
