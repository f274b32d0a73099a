"""What is told of cookie_domain, and of routes for hosts of anybody."""

from __future__ import annotations

import pytest

from pomerium_tw.config import ConfigError

from .conftest import Load, Problems

PROVIDER = """
idp_provider: oidc
idp_provider_url: https://idp.example.com
idp_client_id: a
idp_client_secret: b
authenticate_service_url: https://auth.example.com
"""
OPEN = "routes:\n  - {from: 'https://app.example.com', to: 'http://a', allow_any_authenticated_user: true}\n"


def route(host: str, who: str) -> str:
    return f"routes:\n  - {{from: 'https://{host}', to: 'http://a', {who}}}\n"


def told(lines: list[str], *words: str) -> list[str]:
    return [line for line in lines if any(word in line for word in words)]


NO_SIGN_IN = "nobody can sign in here"


@pytest.mark.parametrize("host", ["*", "*.com", "*.dev", "*.io", "*.co.uk", "*example.com"])
def test_a_route_that_needs_a_sign_in_is_not_for_hosts_of_any_owner(problems: Problems, host: str) -> None:
    for who in ("allow_any_authenticated_user: true", "allowed_domains: [example.com]"):
        found = problems(PROVIDER + route(host, who))
        assert found == [f"8:12: {NO_SIGN_IN}: {host} stands for hosts of any owner"]


@pytest.mark.parametrize(
    ("who", "warned"),
    [
        ("policy: [{allow: {or: [{domain: {is: example.com}}]}}]", True),
        ("policy: [{allow: {or: [{accept: true}]}}]", False),
        ("allow_public_unauthenticated_access: true", False),
    ],
)
def test_what_a_policy_asks_for_is_a_warning(warnings: Problems, who: str, warned: bool) -> None:
    assert bool(told(warnings(PROVIDER + route("*", who)), NO_SIGN_IN)) is warned


@pytest.mark.parametrize("host", ["*.acme", "*.k8s", "10.0.0.*", "app.*"])
def test_where_nobody_else_may_know_the_names_it_is_a_warning(warnings: Problems, host: str) -> None:
    found = warnings(PROVIDER + route(host, "allow_any_authenticated_user: true"))
    assert told(found, NO_SIGN_IN) == [f"8:12: {NO_SIGN_IN}: {host} stands for hosts of any owner"]


@pytest.mark.parametrize(
    ("host", "service", "advised"),
    [
        ("*", "auth.example.com", "example.com"),
        ("*.com", "auth.example.com", "example.com"),
        ("*.com", "auth.corp.example.com", "corp.example.com"),
        ("*.com", "auth.example.org", ""),
        ("*.com", "example.com", ""),
        ("*", "auth.co.uk", ""),
        ("*.acme", "auth.acme", ""),
        ("*.acme", "auth.it.acme", "it.acme"),
        ("10.0.0.*", "auth.example.com", ""),
    ],
)
def test_a_cookies_domain_is_advised_where_it_helps(
    loaded: Load, host: str, service: str, advised: str
) -> None:
    text = PROVIDER.replace("auth.example.com", service) + route(host, "allow_any_authenticated_user: true")
    try:
        found = loaded(text).warnings
    except ConfigError as error:
        found = error.problems
    [problem] = [each for each in found if NO_SIGN_IN in each.message]
    assert problem.hint.partition("cookie_domain: ")[2] == advised
    assert "such as *.example.com" in problem.hint


def routes(*hosts: str, who: str = "allow_any_authenticated_user: true") -> str:
    lines = [
        f"  - {{from: 'https://{host}', to: 'http://a{number}', {who}}}\n"
        for number, host in enumerate(hosts)
    ]
    return "routes:\n" + "".join(lines)


SEVERAL = "sign-ins at several ports"


def test_sign_ins_of_one_host_at_several_ports_are_told_once(warnings: Problems) -> None:
    hosts = ("app.example.com", "app.example.com:443", "app.example.com:8443", "app.example.com:9443")
    [line] = told(warnings(PROVIDER + routes(*hosts)), SEVERAL)
    assert line.startswith("10:12: app.example.com has sign-ins at several ports")


@pytest.mark.parametrize(
    "text",
    [
        routes("app.example.com", "other.example.com:8443"),
        routes("app.example.com:8443", "app.example.com:8443"),
        routes("app.example.com", "app.example.com:8443", who="allow_public_unauthenticated_access: true"),
        "cookie_domain: example.com\n" + routes("app.example.com", "app.example.com:8443"),
        routes("app.example.com")
        + routes("app.example.com:8443", who="policy: [{allow: {or: [{accept: true}]}}]")[8:],
    ],
    ids=["hosts", "port", "public", "cookie-domain", "everybody"],
)
def test_sessions_that_are_kept_apart_or_shared_are_not_told(warnings: Problems, text: str) -> None:
    assert not told(warnings(PROVIDER + text), SEVERAL)


@pytest.mark.parametrize("host", ["*.example.com", "app.example.com", "*.localhost", "*.local", "*.intra"])
def test_hosts_of_one_owner_are_not_told(warnings: Problems, host: str) -> None:
    assert not told(warnings(PROVIDER + route(host, "allow_any_authenticated_user: true")), NO_SIGN_IN)


def test_hosts_of_the_cookies_domain_can_sign_in_whatever_the_route_says(warnings: Problems) -> None:
    text = PROVIDER + "cookie_domain: example.com\n" + route("*", "allow_any_authenticated_user: true")
    assert not told(warnings(text), NO_SIGN_IN)


def test_without_a_provider_nothing_is_said_of_signing_in_there(warnings: Problems) -> None:
    found = warnings(route("*", "allow_any_authenticated_user: true"))
    assert not told(found, NO_SIGN_IN) and told(found, "no idp_provider is set")


def test_a_domain_without_the_authenticate_service_has_no_effect(warnings: Problems) -> None:
    for domain in ("other.test.example", "ample.com", "app.example.com"):
        [line] = told(warnings(f"cookie_domain: {domain}\n" + PROVIDER + OPEN), "cookie_domain")
        assert line.startswith("1:16: cookie_domain has no effect")
    assert not told(warnings("cookie_domain: example.com\n" + PROVIDER + OPEN), "cookie_domain")


@pytest.mark.parametrize("domain", ["com", "co.uk", "localhost"])
def test_a_domain_of_many_owners_is_refused(problems: Problems, domain: str) -> None:
    [line] = problems(f"cookie_domain: {domain}\n" + PROVIDER + OPEN)
    assert line.startswith("1:16: browsers keep no cookie for all hosts of")


def test_a_domain_without_a_service_is_not_told(loaded: Load) -> None:
    assert loaded("cookie_domain: example.com\nroutes: []\n").settings.cookie_domain == "example.com"
