"""Top-level keys: decoding, defaults, and what must hold between them (spec/proxy §1)."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from pomerium_tw.config import Address, ServiceURL
from pomerium_tw.telemetry import DEFAULT_ACCESS_FIELDS

from .conftest import Load, Problems

PUBLIC = "from: https://a.example.com, to: http://a, allow_public_unauthenticated_access: true"


def test_defaults(loaded: Load) -> None:
    settings = loaded("").settings
    assert settings.address == Address("", 443)
    assert settings.cookie_expire == 50400.0
    assert (settings.timeout_read, settings.timeout_idle, settings.default_upstream_timeout) == (30, 300, 30)
    assert (settings.merge_slashes, settings.normalize_path, settings.cookie_http_only) == (True, True, True)
    assert settings.path_with_escaped_slashes_action == "reject_request"
    assert settings.headers_with_underscores_action == "reject_request"
    assert settings.databroker_storage_type == "sqlite"
    assert settings.access_log_fields == DEFAULT_ACCESS_FIELDS
    assert settings.access_log_level == "info"
    assert settings.shared_secret is None
    assert (settings.timeout_write, settings.timeout_header, settings.min_body_rate) == (0, 10, 256)
    assert (settings.max_connections, settings.max_connections_per_client) == (50_000, 1000)
    assert (settings.max_request_body, settings.allow_upgrades) == (0, ())
    assert (settings.xff_num_trusted_hops, settings.trusted_proxies) == (0, ())
    assert (settings.http_redirect_addr, settings.use_proxy_protocol) == (None, False)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("address: localhost", "address", Address("localhost", 443)),
        ("codec_type: HTTP1", "codec_type", "http1"),
        ("codec_type: ''", "codec_type", "auto"),
        ("cookie_same_site: Strict", "cookie_same_site", "strict"),
        ("cookie_same_site: ''", "cookie_same_site", ""),
        ("cookie_domain: .Example.com", "cookie_domain", "example.com"),
        ("cookie_expire: 1h30m", "cookie_expire", 5400.0),
        ("databroker_storage_type: file", "databroker_storage_type", "sqlite"),
        ("databroker_storage_type: MEMORY", "databroker_storage_type", "memory"),
        ("headers_with_underscores_action: drop_header", "headers_with_underscores_action", "drop_header"),
        (
            "path_with_escaped_slashes_action: KEEP_UNCHANGED",
            "path_with_escaped_slashes_action",
            "keep_unchanged",
        ),
        (
            "path_with_escaped_slashes_action: PATH_WITH_ESCAPED_SLASHES_ACTION_UNESCAPE_AND_REDIRECT",
            "path_with_escaped_slashes_action",
            "unescape_and_redirect",
        ),
        ("http_redirect_addr: ':80'", "http_redirect_addr", Address("", 80)),
        ("http_redirect_addr: '\"127.0.0.1\"'", "http_redirect_addr", Address("127.0.0.1", 80)),
        ("http_redirect_addr: ''", "http_redirect_addr", None),
        ("use_proxy_protocol: true", "use_proxy_protocol", True),
        ("xff_num_trusted_hops: '2'", "xff_num_trusted_hops", 2),
        (
            "trusted_proxies: '10.0.0.1/8, ::1'",
            "trusted_proxies",
            (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
        (
            "upstream_deny_networks: [169.254.0.0/16, '::ffff:10.0.0.0/104', fd00::/8]",
            "upstream_deny_networks",
            (ip_network("169.254.0.0/16"), ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        ),
        ("timeout_write: 1m", "timeout_write", 60.0),
        ("timeout_header: '0'", "timeout_header", 0.0),
        ("min_body_rate: 0", "min_body_rate", 0),
        ("max_connections: '10'", "max_connections", 10),
        ("max_connections_per_client: 0", "max_connections_per_client", 0),
        ("max_request_body: 10000000000", "max_request_body", 10_000_000_000),
        ("allow_upgrades: ['', WebSocket, ' ']", "allow_upgrades", ("websocket",)),
        ("jwt_issuer_format: URI", "jwt_issuer_format", "uri"),
        ("jwt_issuer_format: hostonly", "jwt_issuer_format", "hostOnly"),
        ("log_level: WARNING", "log_level", "warn"),
        ("log_level: disabled", "log_level", "off"),
        ("services: Proxy, authenticate,authorize , cache", "services", "all"),
        ("services: [all, proxy]", "services", "all"),
        ("idp_request_params: {}", "idp_request_params", {}),
        ("idp_client_id: 12345", "idp_client_id", "12345"),
        ("jwt_claims_headers: {X-Email: email}", "jwt_claims_headers", {"X-Email": "email"}),
        ("jwt_claims_headers: [email]", "jwt_claims_headers", {"x-pomerium-claim-email": "email"}),
        (
            "authenticate_service_url: https://auth.example.com",
            "authenticate_service_url",
            ServiceURL("https://auth.example.com", "https", "auth.example.com", None),
        ),
        ("timeout_read: 0", "timeout_read", 0.0),
    ],
)
def test_values_are_decoded(loaded: Load, line: str, field: str, value: Any) -> None:
    assert getattr(loaded(line).settings, field) == value


def test_the_default_port_of_clear_text_is_80(loaded: Load) -> None:
    assert loaded("address: 127.0.0.1\ninsecure_server: true\n").settings.address == Address("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("services: proxy", "1:11: services: split services are not built yet"),
        ("services: [proxy, cook]", "1:11: services: there is no service cook"),
        ("services: []", "1:11: services: the list of services is empty"),
        ("codec_type: http2", "1:13: codec_type: http2 is not built yet"),
        ("codec_type: HTTP3", "1:13: codec_type: http3 is not built yet"),
        ("workers: 2", "1:10: workers: several workers are not built yet"),
        ("log_level: loud", "1:12: log_level: this is not a log level"),
        ("cookie_same_site: sideways", "1:19: cookie_same_site: this is not a value of cookie_same_site"),
        ("cookie_expire: 0", "1:16: cookie_expire: a session must live for some time"),
        ("cookie_name: 'a b'", "1:14: cookie_name: this is not a cookie name"),
        ("cookie_domain: 'a;b'", "1:16: cookie_domain: this is not a host name"),
        (
            "databroker_storage_type: postgres",
            "1:26: databroker_storage_type: the store postgres is not built yet",
        ),
        ("databroker_storage_type: disk", "1:26: databroker_storage_type: this is not a kind of store"),
        (
            "databroker_storage_connection_string: 'postgres://u:p@h'",
            "1:39: databroker_storage_connection_string: the store is a folder: a path or file:///path",
        ),
        (
            "path_with_escaped_slashes_action: unescape",
            "1:35: path_with_escaped_slashes_action: this is not a value of path_with_escaped_slashes_action",
        ),
        ("xff_num_trusted_hops: -1", "1:23: xff_num_trusted_hops: the number must be 0 or more"),
        ("xff_num_trusted_hops: 4294967296", "1:23: xff_num_trusted_hops: the number must be 0 or more"),
        ("trusted_proxies: [10.0.0.0/33]", "1:19: trusted_proxies: this is not an address or a network"),
        ("max_connections: 0", "1:18: max_connections: without a connection nobody is served"),
        (
            "max_connections_per_client: x",
            "1:29: max_connections_per_client: a whole number is expected here",
        ),
        ("max_request_body: -5", "1:19: max_request_body: the number must be 0 or more"),
        ("min_body_rate: 1.5", "1:16: min_body_rate: a whole number is expected here, not a number"),
        ("timeout_header: 10", "1:17: timeout_header: a duration is expected here, not a number"),
        ("http_redirect_addr: 'a:b'", "1:21: http_redirect_addr: the port is not a number"),
        ("allow_upgrades: [h2c]", "1:18: allow_upgrades: this protocol carries requests"),
        ("use_proxy_protocol: v2", "1:21: use_proxy_protocol: true or false is expected here"),
        ("signout_redirect_url: /bye", "1:23: signout_redirect_url: the URL has no scheme"),
        (
            "authenticate_service_url: https://a/x",
            "1:27: authenticate_service_url: a service URL has no path",
        ),
        ("timeout_read: 1d", "1:15: timeout_read: this is not a duration"),
        ("idp_scopes: [openid, '']", "1:22: idp_scopes: the value is blank"),
        ("runtime_flags: {mcp: maybe}", "1:22: mcp: true or false is expected here, not text"),
        ("jwt_claims_headers: {X: {a: b}}", "1:25: X: text is expected here, not a mapping"),
        ("jwt_claims_headers: {'a b': c}", "1:22: a b: this is not a header name"),
        ('set_response_headers: {X-A: "a\\nb"}', "1:29: X-A: a header value must not hold line breaks"),
        (
            "set_response_headers: {Content-Length: 5}",
            "1:24: Content-Length: the header Content-Length frames",
        ),
        ("set_response_headers: [a]", "1:23: set_response_headers: a mapping is expected here, not a list"),
        ("idp_request_params: {a: 1.5}", "1:25: a: text is expected here, not a number"),
    ],
)
def test_wrong_values_are_refused_in_place(problems: Problems, line: str, problem: str) -> None:
    (found,) = problems(line)
    assert found.startswith(problem)


def test_all_problems_are_reported_together_in_order(problems: Problems) -> None:
    route = f"  - {{{PUBLIC}, timeout: XX}}"
    text = f"workers: 3\nbogus: 1\nroutes:\n{route}\n  - {{to: http://a}}\nlog_level: loud\n"
    places = ["1:10", "2:1", f"4:{route.index('XX') + 1}", "5:5", "6:12"]
    assert [problem.split(": ")[0] for problem in problems(text)] == places


def test_a_wrong_value_is_never_repeated(problems: Problems) -> None:
    (found,) = problems("idp_client_secret: [hunter2]\n")
    assert "hunter2" not in found


def test_secrets_do_not_print(loaded: Load) -> None:
    settings = loaded("idp_client_secret: hunter2\n").settings
    assert "hunter2" not in repr(settings)
    assert settings.idp_client_secret is not None
    assert settings.idp_client_secret.reveal() == b"hunter2"


@pytest.mark.parametrize("written", ["file:///var/lib/store", "/var/lib/store", "file:/var/lib/store"])
def test_the_store_is_a_folder(loaded: Load, written: str) -> None:
    settings = loaded(f"databroker_storage_connection_string: {written}\n").settings
    assert settings.storage_folder == Path("/var/lib/store")
    assert loaded("state_dir: /s\n").settings.storage_folder == Path("/s")


def test_policy_routes_come_before_routes(loaded: Load) -> None:
    text = f"routes:\n  - {{{PUBLIC}, name: second}}\npolicy:\n  - {{{PUBLIC}, name: first, path: /x}}\n"
    found = loaded(text).settings.all_routes
    assert [(path, route.name) for path, route in found] == [
        (("policy", 0), "first"),
        (("routes", 0), "second"),
    ]


def test_equal_routes_are_refused(problems: Problems) -> None:
    text = (
        f"policy:\n  - {{{PUBLIC}}}\nroutes:\n  - {{{PUBLIC}, prefix: /x}}\n  - {{{PUBLIC}, timeout: 5s}}\n"
    )
    assert problems(text) == ["5:12: this route is the same as policy[0]: from, path rules and to are equal"]


def test_a_provider_needs_the_authenticate_address(problems: Problems, warnings: Problems) -> None:
    assert problems("idp_provider: oidc\n") == ["1:15: idp_provider is set, authenticate_service_url is not"]
    assert warnings("idp_provider: oidc\nauthenticate_service_url: https://auth.example.com\n") == []


def test_routes_that_need_a_sign_in_without_a_provider_are_told(warnings: Problems) -> None:
    text = "routes:\n  - {from: https://a.example.com, to: http://a, allow_any_authenticated_user: true}\n"
    assert warnings(text) == ["2:12: no idp_provider is set: nobody can sign in to this route"]
    assert warnings(f"routes:\n  - {{{PUBLIC}}}\n") == []
    assert warnings(text.replace("allow_any_authenticated_user: true", "policy: open")) == []


def test_what_changes_nothing_is_a_warning(warnings: Problems) -> None:
    text = (
        "access_log_fields: [path, client-certificate, headers.X-A, colour]\n"
        "authorize_log_fields: [path, body, headers.X-A, sound]\n"
        "runtime_flags: {mcp: true, hyperspace: true}\n"
        "authenticate_service_url: http://auth.example.com\n"
        "databroker_storage_type: memory\n"
        "databroker_storage_connection_string: /x\n"
    )
    assert warnings(text) == [
        "1:27: access_log_fields: the field client-certificate is not built yet: left out",
        "1:60: access_log_fields: the field colour does not exist: left out",
        "2:30: authorize_log_fields: the field body is not known before the decision: left out",
        "2:49: authorize_log_fields: the field sound does not exist: left out",
        "3:40: there is no runtime flag hyperspace: ignored",
        "4:27: browsers do not send our cookies to http:// addresses",
        "6:39: databroker_storage_connection_string has no effect on the store memory",
    ]


def test_flags_have_defaults(loaded: Load) -> None:
    settings = loaded("runtime_flags: {routes_portal: false}\n").settings
    assert (settings.flag("routes_portal"), settings.flag("match_any_incoming_port")) == (False, True)
    with pytest.raises(KeyError):
        settings.flag("hyperspace")


def test_settings_cannot_be_changed(loaded: Load) -> None:
    settings = loaded("").settings
    with pytest.raises(ValueError, match="frozen"):
        settings.cookie_name = "x"


def test_spans_serve_other_rooms(loaded: Load) -> None:
    route = f"  - {{{PUBLIC}, policy: [{{allow: {{or: [{{email: {{is: ME}}}}]}}}}]}}"
    found = loaded(f"routes:\n{route}\n")
    span = found.span("routes", 0, "policy", 0, "allow", "or", 0, "email", "is")
    assert (span.line, span.column) == (2, route.index("ME") + 1)


def test_equal_routes_without_upstreams_are_told(warnings: Problems) -> None:
    answer = "response: {status: 200, body: x}, allow_public_unauthenticated_access: true"
    text = f"routes:\n  - {{from: https://a.example.com, {answer}}}\n"
    assert warnings(text + text.removeprefix("routes:\n")) == [
        "3:12: this route is never reached: routes[0] takes all its requests"
    ]
    assert warnings(text + text.removeprefix("routes:\n").replace("body: x", "body: y")) == [
        "3:12: this route is never reached: routes[0] takes all its requests"
    ]


def test_redirects_have_a_listener_of_their_own(problems: Problems, warnings: Problems) -> None:
    text = "address: :80\nhttp_redirect_addr: :80\n"
    assert problems(text) == ["2:21: http_redirect_addr and address are the same"]
    assert warnings("http_redirect_addr: :80\n") == []
    assert warnings("address: 127.0.0.1:0\nhttp_redirect_addr: 127.0.0.1:0\n") == []
    (warning,) = warnings("insecure_server: true\naddress: :8080\nhttp_redirect_addr: :80\n")
    assert warning.startswith("3:21: http_redirect_addr leads to https://")


def test_hops_of_nobody_in_particular_are_told(warnings: Problems) -> None:
    (warning,) = warnings("xff_num_trusted_hops: 1\n")
    assert warning.startswith("1:23: xff_num_trusted_hops trusts whoever connects")
    assert warnings("trusted_proxies: [10.0.0.0/8]\nxff_num_trusted_hops: 1\n") == []


def test_trust_in_everybody_is_told(warnings: Problems) -> None:
    found = warnings("trusted_proxies: [10.0.0.0/8, 0.0.0.0/0, '::/0']\n")
    assert [each.split(": ")[0] for each in found] == ["1:31", "1:42"]


def test_upstreams_at_addresses_that_none_may_have_are_errors(problems: Problems) -> None:
    text = "upstream_deny_networks: [10.0.0.0/8, '::1']\nroutes:\n"
    for to in ("http://10.1.2.3:80", "https://[::1]", "http://192.0.2.1", "http://localhost"):
        text += f"  - {{from: https://app.example.com, prefix: /, to: '{to}', policy: []}}\n"
    said = "this upstream is never connected to: upstream_deny_networks has"
    assert problems(text) == [f"3:52: {said} 10.0.0.0/8", f"4:52: {said} ::1/128"]


def test_origins_without_websockets_are_told(warnings: Problems) -> None:
    route = f"routes:\n  - {{{PUBLIC}, websocket_origins: ['*']}}\n"
    (warning,) = warnings(route)
    assert warning.endswith("websocket_origins has no effect on a route without websockets")
    assert warnings(f"allow_upgrades: [websocket]\n{route}") == []
    assert warnings(route.replace("websocket_o", "allow_websockets: true, websocket_o")) == []
