"""Routes that redirect or answer by themselves (spec/proxy §2.1, §2.3, §2.6)."""

from __future__ import annotations

import base64

import pytest

from pomerium_tw.config import RouteSettings
from pomerium_tw.config.answers import response_body
from pomerium_tw.config.problem import DecodeError
from pomerium_tw.model import DirectResponse, Redirect

from .conftest import Load, Problems

HEAD = "routes:\n  - from: https://a.example.com\n    allow_public_unauthenticated_access: true\n"


def only(loaded: Load, lines: str) -> RouteSettings:
    (route,) = loaded(HEAD + lines).settings.routes
    return route


def redirect_of(loaded: Load, written: str) -> Redirect:
    route = only(loaded, f"    redirect: {written}\n")
    assert route.redirect is not None
    assert (route.upstreams, route.response) == ((), None)
    return route.redirect.redirect


@pytest.mark.parametrize(
    ("written", "redirect"),
    [
        ("{https_redirect: true}", Redirect(scheme="https")),
        ("{https_redirect: false, host_redirect: b}", Redirect(host="b")),
        ("{https_redirect: true, scheme_redirect: http}", Redirect(scheme="https")),
        ("{scheme_redirect: HTTP}", Redirect(scheme="http")),
        ("{host_redirect: B.example.com}", Redirect(host="b.example.com")),
        ("{host_redirect: 'b.example.com:8443'}", Redirect(host="b.example.com", port=8443)),
        ("{host_redirect: '[::1]', port_redirect: 8443}", Redirect(host="[::1]", port=8443)),
        ("{port_redirect: '8443'}", Redirect(port=8443)),
        ("{path_redirect: /x?y=1}", Redirect(path="/x?y=1")),
        ("{prefix_rewrite: /new}", Redirect(prefix="/new")),
        ("{path_redirect: /x, prefix_rewrite: /new}", Redirect(path="/x")),
        (
            "{host_redirect: b, strip_query: true, response_code: 308}",
            Redirect(host="b", strip_query=True, status=308),
        ),
        ("{host_redirect: b, response_code: '302', path_redirect: }", Redirect(host="b", status=302)),
    ],
)
def test_a_redirect_says_what_changes(loaded: Load, written: str, redirect: Redirect) -> None:
    assert redirect_of(loaded, written) == redirect


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_every_status_that_redirects_is_taken(loaded: Load, code: int) -> None:
    assert redirect_of(loaded, f"{{host_redirect: b, response_code: {code}}}").status == code


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{host_redirect: b, response_code: 300}", "4:49: response_code: this status does not redirect"),
        ("{response_code: 200}", "4:31: response_code: this status does not redirect"),
        ("{host_redirect: 'a b'}", "4:31: host_redirect: the host is not a host name or IP address"),
        ("{host_redirect: 'b:0'}", "4:31: host_redirect: port 0 cannot be reached"),
        ("{host_redirect: '*.b'}", "4:31: host_redirect: the host cannot hold *"),
        (
            "{host_redirect: 'b:1', port_redirect: 2}",
            "4:53: host_redirect and port_redirect both name a port",
        ),
        ("{port_redirect: 0}", "4:31: port_redirect: the port is a number from 1 to 65535"),
        ("{scheme_redirect: 'https://'}", "4:33: scheme_redirect: this is not the scheme of a URL"),
        ("{path_redirect: x}", "4:31: path_redirect: this is not an absolute path"),
        ("{path_redirect: //evil.example.com}", "4:31: path_redirect: this is not an absolute path"),
        ("{path_redirect: '/\\x'}", "4:31: path_redirect: this is not an absolute path"),
        ('{path_redirect: "/\\r\\nX: y"}', "4:31: path_redirect: this is not an absolute path"),
        ("{prefix_rewrite: /a b}", "4:32: prefix_rewrite: a path holds no blanks"),
        ("{https_redirect: maybe}", "4:32: https_redirect: true or false is expected here"),
        ("{host_rediret: b}", "4:16: redirect: there is no key host_rediret"),
        ("{host: }", "4:16: redirect: there is no key host"),
        ("[b]", "4:15: redirect: a mapping is expected here"),
        ("https://b", "4:15: redirect: a mapping is expected here"),
    ],
)
def test_a_broken_redirect_is_refused_in_place(problems: Problems, written: str, problem: str) -> None:
    (found,) = problems(f"{HEAD}    redirect: {written}\n")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("written", "warning"),
    [
        (
            "{https_redirect: true, scheme_redirect: http, host_redirect: b}",
            "4:55: scheme_redirect has no effect beside https_redirect",
        ),
        (
            "{path_redirect: /x, prefix_rewrite: /y, host_redirect: b}",
            "4:51: prefix_rewrite has no effect beside path_redirect",
        ),
    ],
)
def test_what_a_redirect_cannot_do_is_told(warnings: Problems, written: str, warning: str) -> None:
    (found,) = warnings(f"{HEAD}    redirect: {written}\n")
    assert found.startswith(warning)


def test_a_response_is_a_status_and_a_text(loaded: Load) -> None:
    route = only(loaded, "    response: {status: '404', body: ünknown}\n")
    assert route.response is not None
    assert route.response.response == DirectResponse(404, "ünknown")
    route = only(loaded, "    response: {status: 204, body: }\n")
    assert route.response is not None
    assert route.response.response == DirectResponse(204, "")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{body: x}", "4:15: response: status is missing"),
        ("{status: 100}", "4:24: status: the status is a number from 200 to 599"),
        ("{status: 600}", "4:24: status: the status is a number from 200 to 599"),
        ("{status: ok}", "4:24: status: a whole number is expected here"),
        ("{status: 204, body: x}", "4:35: an answer with the status 204 has no body"),
        ("{status: 304, body: x}", "4:35: an answer with the status 304 has no body"),
        ("{status: 200, body: [x]}", "4:35: body: text is expected here"),
        ("{status: 200, headers: {}}", "4:29: response: there is no key headers"),
    ],
)
def test_a_broken_response_is_refused_in_place(problems: Problems, written: str, problem: str) -> None:
    (found,) = problems(f"{HEAD}    response: {written}\n")
    assert found.startswith(problem)


def test_a_route_answers_in_one_way(problems: Problems) -> None:
    assert problems(HEAD) == ["2:5: the route has no upstream"]
    to, redirect = "    to: http://a\n", "    redirect: {host_redirect: b}\n"
    response = "    response: {status: 200}\n"
    assert problems(HEAD + to + redirect) == ["5:15: to and redirect are both set"]
    assert problems(HEAD + to + response) == ["5:15: to and response are both set"]
    assert problems(HEAD + redirect + response) == ["5:15: redirect and response are both set"]
    assert len(problems(HEAD + redirect + response + to)) == 2


def test_an_id_depends_on_what_is_answered(loaded: Load) -> None:
    def id_of(lines: str) -> str:
        return only(loaded, lines).id

    base = id_of("    redirect: {host_redirect: b}\n")
    assert id_of("    redirect: {host_redirect: B, strip_query: false, response_code: 301}\n") == base
    assert id_of("    redirect: {host_redirect: b}\n    timeout: 1s\n    name: x\n") == base
    others = [
        "redirect: {host_redirect: c}",
        "redirect: {host_redirect: b, response_code: 302}",
        "redirect: {host_redirect: b}\n    prefix: /x",
        "response: {status: 200}",
        "response: {status: 200, body: x}",
        "response: {status: 404, body: x}",
        "to: http://b",
    ]
    assert len({base, *(id_of(f"    {each}\n") for each in others)}) == len(others) + 1


def test_both_are_read_from_toml_and_from_the_environment(loaded: Load, problems: Problems) -> None:
    toml = (
        "[[routes]]\nfrom = 'https://a.example.com'\nallow_public_unauthenticated_access = true\n"
        "[routes.redirect]\nhost_redirect = 'b.example.com'\nresponse_code = 307\n"
    )
    (route,) = loaded(toml, name="config.toml").settings.routes
    assert route.redirect is not None
    assert route.redirect.redirect == Redirect(host="b.example.com", status=307)
    assert problems(toml.replace("307", "306"), name="config.toml") == [
        "6:1: response_code: this status does not redirect"
    ]
    written = base64.b64encode(b'[{"from": "https://a", "response": {"status": 403, "body": "no"}}]').decode()
    (route,) = loaded("", {"ROUTES": written}).settings.routes
    assert route.response is not None
    assert route.response.response == DirectResponse(403, "no")


def test_a_body_that_no_encoding_can_write_is_refused() -> None:
    with pytest.raises(DecodeError):
        response_body("\ud800")
