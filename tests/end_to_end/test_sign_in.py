"""Signing in by HTTP against oidc-provider-mock, through the process that ``pomerium-tw run`` starts."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import jwt
import pytest

from bench.sign_in import Answer, Browser, sign_in
from tests.running import free_port, running

from .conftest import Door

OpenDoor = Callable[..., Door]


def get(url: str, cookie: str = "", **headers: str) -> Answer:
    """One GET by a client without cookies of its own; redirects are followed."""
    return Browser().open(url, headers={**headers, **({"Cookie": cookie} if cookie else {})})


def request_id(page: str) -> str:
    found = re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", page)
    assert found
    return found[0]


def test_a_sign_in_ends_at_the_page_asked_for_with_a_signed_assertion(open_door: OpenDoor) -> None:
    door = open_door()
    cookie = sign_in(door.url("app", "/deep/page?a=1"))
    answer = get(door.url("app", "/deep/page?a=1"), cookie)
    seen = json.loads(answer.body)
    assert seen["path"] == "/deep/page?a=1"
    assert "Cookie" not in seen["headers"]
    keys = jwt.PyJWKSet.from_dict(json.loads(get(door.url("app", "/.well-known/pomerium/jwks.json")).body))
    assertion = seen["headers"]["X-Pomerium-Jwt-Assertion"]
    key = keys[jwt.get_unverified_header(assertion)["kid"]]
    claims = jwt.decode(assertion, key, ["ES256"], audience="app.localhost", issuer="app.localhost")
    assert claims["sub"] == "bench-user"


def test_an_upstream_gets_the_tokens_that_its_templates_name(open_door: OpenDoor) -> None:
    door = open_door()
    cookie = sign_in(door.url("app"))
    headers = json.loads(get(door.url("app"), cookie, **{"X-Said": "hello"}).body)["headers"]
    assert headers["X-Access"]
    assert jwt.decode(headers["X-Id"], options={"verify_signature": False})["sub"] == "bench-user"
    assert headers["X-Again"] == headers["X-Pomerium-Jwt-Assertion"] + " hello"


def test_a_session_outlives_a_restart(open_door: OpenDoor) -> None:
    first = open_door()
    cookie = sign_in(first.url("app"))
    first.process.process.send_signal(signal.SIGTERM)
    assert first.process.process.wait(10) == 0
    second = open_door(port=first.port, again=True)
    assert get(second.url("app"), cookie).status == 200


def test_a_cookie_is_good_for_its_own_host_alone(open_door: OpenDoor) -> None:
    door = open_door()
    cookie = sign_in(door.url("app"))
    assert get(door.url("nobody"), cookie, Accept="application/json").status == 401


def test_a_denial_names_the_request_that_the_log_explains(open_door: OpenDoor) -> None:
    door = open_door()
    browser = Browser()
    page = browser.sign_in(door.url("nobody"))
    assert page.status == 403
    decision = door.process.wait_for_line(message="authorize check", request_id=request_id(page.body))
    assert decision["allow"] is False
    assert decision["allow-why-false"] == ["email-unauthorized"]


def test_an_unreachable_upstream_is_a_page_that_says_so(open_door: OpenDoor) -> None:
    door = open_door()
    page = Browser().sign_in(door.url("broken"))
    assert page.status == 503
    assert "What you can do" in page.body
    line = door.process.wait_for_line(message="http-request", request_id=request_id(page.body))
    assert line["response-code-details"] == "upstream_reset_before_response_started{connection_failure}"


def test_a_provider_that_is_down_is_a_page_that_says_so(open_door: OpenDoor) -> None:
    door = open_door(provider=free_port())
    page = Browser().open(door.url("app"))
    assert page.status == 503
    assert "What you can do" in page.body
    assert request_id(page.body)


def test_programs_get_401_and_an_address_to_sign_in_at(open_door: OpenDoor) -> None:
    door = open_door()
    answer = get(door.url("app", "/api"), Accept="application/json")
    assert answer.status == 401
    assert json.loads(answer.body)["login_url"].startswith(door.url("app", "/.pomerium/sign_in?"))


def test_a_configuration_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("addres: :8080\n")
    with running(["-m", "pomerium_tw.cli", "run", str(config)], tmp_path / "out.txt") as process:
        assert process.process.wait(20) == 1
    assert re.search(r"config\.yaml:1:1: .*addres", process.text())
    assert "did you mean address?" in process.text().lower()


def test_no_page_tells_groups_that_the_route_withholds(open_door: OpenDoor, provider: int) -> None:
    door = open_door()
    claims = json.dumps({"groups": ["staff", "secret-project"]}).encode()
    address = f"http://127.0.0.1:{provider}/users/member"
    put = Request(address, claims, {"Content-Type": "application/json"}, method="PUT")
    urlopen(put, timeout=10).close()
    cookie = sign_in(door.url("app"), {"sub": "member"})
    told = jwt.decode(
        json.loads(get(door.url("app"), cookie).body)["headers"]["X-Pomerium-Jwt-Assertion"],
        options={"verify_signature": False},
    )
    assert told["groups"] == ["staff"]
    assert json.loads(get(door.url("app", "/.pomerium/user"), cookie).body)["groups"] == ["staff"]
    page = get(door.url("app", "/.pomerium/"), cookie, Accept="text/html").body
    assert "staff" in page and "secret-project" not in page


@pytest.mark.parametrize("sub", ["person-one", "person-two"])
def test_the_person_at_the_provider_is_the_one_the_upstream_sees(open_door: OpenDoor, sub: str) -> None:
    door = open_door()
    cookie = sign_in(door.url("app"), {"sub": sub})
    answer = get(door.url("app", "/.pomerium/user"), cookie)
    assert json.loads(answer.body)["sub"] == sub
