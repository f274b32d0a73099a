"""One route: decoding, and what must hold between its keys (spec/proxy §2.1–2.3, spec/ppl §5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pomerium_tw.config import FromURL, InlinePolicy, PolicyFile, PolicyName, RouteSettings

from .conftest import Load, Problems

HEAD = "routes:\n  - from: https://a.example.com\n"
BASE = HEAD + "    to: http://a\n"
PUBLIC = BASE + "    allow_public_unauthenticated_access: true\n"


def only(loaded: Load, text: str) -> RouteSettings:
    (route,) = loaded(text).settings.routes
    return route


def test_a_route_is_decoded(loaded: Load) -> None:
    route = only(
        loaded,
        HEAD
        + "    to: ['http://a:1,2', ['https://b,1']]\n"
        + "    timeout: 1m\n"
        + "    idle_timeout: '0'\n"
        + "    allowed_users: x@example.com, y@example.com\n"
        + "    allowed_idp_claims: {groups: [admin], nested: {level: [3]}}\n"
        + "    set_request_headers: {X-Price: 5 $$, X-Dollar: $5}\n"
        + "    remove_request_headers: [X-Gone]\n"
        + "    tls_server_name: a.example.com\n"
        + "    tls_upstream_server_name: b.example.com\n",
    )
    assert route.from_ == FromURL("https", "a.example.com", None)
    assert [(up.host, up.port, up.weight) for up in route.upstreams] == [("a", 1, 2), ("b", 443, 1)]
    assert (route.timeout, route.idle_timeout) == (60.0, 0.0)
    assert route.allowed_users == ("x@example.com", "y@example.com")
    assert route.allowed_idp_claims == {"groups": ["admin"], "nested": {"level": [3]}}
    assert route.set_request_headers == {"X-Price": "5 $$", "X-Dollar": "$5"}, "as written"
    assert route.server_name == "b.example.com"
    assert (route.pass_identity_headers, route.jwt_issuer_format) == (None, None)


def test_a_policy_is_inline_a_file_or_a_name(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "p.ppl").write_text("policy text", encoding="utf-8")
    rules = [{"allow": {"or": [{"accept": True}]}}]
    assert only(loaded, BASE + "    policy: [{allow: {or: [{accept: true}]}}]\n").policy == InlinePolicy(
        rules
    )
    assert only(loaded, BASE + "    policy: {allow: {or: []}}\n").policy == InlinePolicy(
        {"allow": {"or": []}}
    )
    assert only(loaded, BASE + "    policy: employees\n").policy == PolicyName("employees")
    policy = only(loaded, BASE + "    policy: {file: p.ppl}\n").policy
    assert isinstance(policy, PolicyFile)
    assert (policy.file.path, policy.file.text) == (tmp_path / "p.ppl", "policy text")


def test_an_id_depends_on_from_path_rules_and_targets_alone(loaded: Load) -> None:
    base = only(loaded, PUBLIC).id
    assert only(loaded, PUBLIC + "    timeout: 5s\n    name: x\n").id == base
    assert only(loaded, PUBLIC.replace("http://a", "http://a:80")).id == base
    for change in ("    prefix: /x\n", "    path: /x\n", "    regex: /x\n"):
        assert only(loaded, PUBLIC + change).id != base
    assert only(loaded, PUBLIC.replace("http://a", "http://b")).id != base
    assert only(loaded, PUBLIC.replace("a.example", "b.example")).id != base


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("to: []", "3:9: the route has no upstream"),
        ("to: h2c://a", "3:9: to: upstreams of h2c:// are not built yet"),
        ("to: [http://a, 'tcp://b']", "3:20: to: upstreams of tcp:// are not built yet"),
        ("to: ['http://a,1', http://b]", "3:24: this upstream has no weight, others have"),
        ("to: ['unix:///a', http://b]", "3:23: unix sockets do not go together with other upstreams"),
        ("to: ['unix:///a', 'unix:///b', http://c]", "3:36: unix sockets do not go together with"),
        ("to: [http://b, 'unix:///a']", "3:20: unix sockets do not go together with other upstreams"),
        ("to: https+unix:///a", "3:9: a socket has no name to verify its certificate by"),
        ("to: {a: b}", "3:9: to: a list is expected here, not a mapping"),
    ],
)
def test_targets_are_checked(problems: Problems, line: str, problem: str) -> None:
    (found,) = problems(f"{HEAD}    {line}\n")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("timeout: -1s", "4:14: timeout: a duration cannot be negative"),
        ("regex: '(?=x)'", "4:12: regex: this is not a regular expression of RE2"),
        ("policy: 5", "4:13: policy: a policy is a list of rules, {file: path} or the name of a policy"),
        ("policy: {file: 5.5}", "4:13: policy: text is expected here, not a number"),
        ("set_request_headers: {Host: x}", "4:27: Host: the header Host cannot be set here"),
        ("set_request_headers: {':path': x}", "4:27: :path: this is not a header name"),
        (
            "kubernetes_service_account_token: 'a b'",
            "4:39: a token is one word of letters, digits and signs",
        ),
        ('set_request_headers: {X-A: "a\\r\\nb"}', "4:32: X-A: a header value must not hold line breaks"),
        (
            "set_request_headers: {Transfer-Encoding: x}",
            "4:27: Transfer-Encoding: the header Transfer-Encoding",
        ),
        (
            "set_request_headers: {X-Request-ID: x}",
            "4:27: X-Request-ID: the header X-Request-ID names the request in every log",
        ),
        ("remove_request_headers: ['a b']", "4:30: remove_request_headers: this is not a header name"),
        ("allowed_domains: [x, ' ']", "4:26: allowed_domains: the value is blank"),
        ("allowed_idp_claims: [x]", "4:25: allowed_idp_claims: a mapping is expected here, not a list"),
        ("allowed_idp_claims: {a: }", "4:25: allowed_idp_claims: the claim a names no value"),
        ("tls_server_name: 'a b'", "4:22: tls_server_name: this is not a host name"),
        ("tls_custom_ca: '!'", "4:20: tls_custom_ca: this is not base64"),
        ("tls_custom_ca: aGVsbG8=", "4:20: tls_custom_ca: this is not PEM of certificates"),
        ("jwt_issuer_format: x", "4:24: jwt_issuer_format: this is not a value of jwt_issuer_format"),
        ("preserve_host_header: on", "4:27: preserve_host_header: true or false is expected here, not text"),
    ],
)
def test_wrong_values_are_refused_in_place(problems: Problems, line: str, problem: str) -> None:
    (found,) = problems(f"{BASE}    {line}\n")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "line", ["tls_server_name: a", "tls_upstream_server_name: a", "tls_skip_verify: true"]
)
def test_a_socket_with_tls_needs_a_name_or_none_to_verify(loaded: Load, line: str) -> None:
    (upstream,) = only(loaded, f"{HEAD}    to: https+unix:///run/a.sock\n    {line}\n").upstreams
    assert (upstream.scheme, upstream.host, upstream.port) == ("https+unix", "/run/a.sock", 0)


def test_sockets_of_both_kinds_go_together(loaded: Load) -> None:
    text = f"{HEAD}    to: ['unix:///a', 'https+unix:///b']\n    tls_server_name: b\n"
    assert [each.host for each in only(loaded, text).upstreams] == ["/a", "/b"]


def test_a_missing_file_names_path_and_key(problems: Problems, tmp_path: Path) -> None:
    assert problems(BASE + "    tls_custom_ca_file: ca.pem\n") == [
        f"4:25: tls_custom_ca_file: {tmp_path}/ca.pem cannot be read: No such file or directory"
    ]
    assert problems(BASE + "    policy: {file: p.ppl}\n") == [
        f"4:13: policy: {tmp_path}/p.ppl cannot be read: No such file or directory"
    ]


def test_public_access_excludes_lists(problems: Problems) -> None:
    lines = "    allow_any_authenticated_user: true\n    allowed_users: [a]\n    allowed_domains: [b]\n"
    assert problems(PUBLIC + lines) == [
        "5:35: allow_any_authenticated_user has no meaning on a route that lets everybody in",
        "6:20: allowed_users has no meaning on a route that lets everybody in",
        "7:22: allowed_domains has no meaning on a route that lets everybody in",
    ]


def test_any_user_excludes_lists(problems: Problems) -> None:
    lines = "    allow_any_authenticated_user: true\n    allowed_users: [a]\n    allowed_domains: [b]\n"
    assert problems(BASE + lines) == [
        "5:20: allowed_users has no meaning on a route that lets every signed-in user in",
        "6:22: allowed_domains has no meaning on a route that lets every signed-in user in",
    ]


def test_claims_and_policy_go_with_public_access(warnings: Problems) -> None:
    assert warnings(PUBLIC + "    allowed_idp_claims: {a: [b]}\n    policy: []\n") == []


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        ("    policy: []\n", "4:13: the policy holds no rule: nobody is let in"),
        ("", "2:5: the route has no policy: nobody is let in"),
    ],
)
def test_a_route_that_lets_nobody_in_is_told_so(warnings: Problems, lines: str, warning: str) -> None:
    assert warnings(BASE + lines) == [warning]


def test_only_one_path_rule_counts(warnings: Problems) -> None:
    assert warnings(PUBLIC + "    prefix: /p\n    path: /q\n    regex: /r\n") == [
        "5:13: prefix has no effect beside regex",
        "6:11: path has no effect beside regex",
    ]


def test_a_path_that_cannot_match_is_told(warnings: Problems) -> None:
    assert warnings(PUBLIC + "    prefix: admin\n") == ["5:13: prefix never matches: paths begin with /"]


def test_http_from_is_accepted_with_a_notice(warnings: Problems) -> None:
    (found,) = warnings(PUBLIC.replace("https:", "http:"))
    assert found.startswith("2:11: from begins with http://")


def test_a_missing_from_is_refused(problems: Problems) -> None:
    text = "routes:\n  - to: http://a\n    allow_public_unauthenticated_access: true\n"
    assert problems(text) == ["2:5: the route has no from"]


def test_a_kubernetes_token_comes_from_the_route_or_from_a_file(
    loaded: Load, problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("TOKEN\n", encoding="utf-8")
    inline = "    kubernetes_service_account_token: INLINE\n"
    file = "    kubernetes_service_account_token_file: token\n"
    for lines, token in ((inline, b"INLINE"), (file, b"TOKEN")):
        route = only(loaded, PUBLIC + lines)
        assert route.kubernetes_service_account_token is not None
        assert route.kubernetes_service_account_token.reveal() == token
        assert token.decode() not in repr(route)
    (problem,) = problems(PUBLIC + inline + file)
    assert "are both set" in problem
    (tmp_path / "token").write_text("TO\nKEN\n", encoding="utf-8")
    assert problems(PUBLIC + file) != []


def test_a_token_file_that_everybody_may_read_is_told(warnings: Problems, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("TOKEN", encoding="utf-8")
    (tmp_path / "token").chmod(0o644)
    (warning,) = warnings(PUBLIC + "    kubernetes_service_account_token_file: token\n")
    assert "every user of this machine may read" in warning


def test_the_request_id_cannot_be_removed(warnings: Problems) -> None:
    lines = "    remove_request_headers: [X-A, x-request-id]\n"
    assert warnings(f"{BASE}    allow_public_unauthenticated_access: true\n{lines}") == [
        "5:35: remove_request_headers has no effect on x-request-id: every upstream is told the request's id"
    ]
