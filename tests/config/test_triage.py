"""What the names of keys alone decide."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pomerium_tw.config import ConfigError, misnamed
from pomerium_tw.config.reference import GLOBAL, ROUTE, Key, Status

from .conftest import Load, Problems

ROUTE_TEXT = (
    "routes:\n  - from: https://a.example.com\n    to: http://a\n"
    "    allow_public_unauthenticated_access: true\n"
)


def hints(loaded: Load, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return [problem.hint for problem in caught.value.problems]


def test_an_unknown_key_is_an_error_with_the_nearest_name(problems: Problems, loaded: Load) -> None:
    text = "cookie_nam: x\n" + ROUTE_TEXT + "    tls_skip_verfy: true\n"
    assert problems(text) == [
        "1:1: there is no key cookie_nam",
        "6:5: there is no route key tls_skip_verfy",
    ]
    assert hints(loaded, text) == ["did you mean cookie_name?", "did you mean tls_skip_verify?"]


def test_a_key_in_the_wrong_place_is_told_so(problems: Problems, loaded: Load) -> None:
    text = "tls_skip_verify: true\n" + ROUTE_TEXT + "    cookie_name: x\n"
    assert problems(text) == ["1:1: tls_skip_verify is not a key", "6:5: cookie_name is not a route key"]
    assert hints(loaded, text) == ["it belongs into a route", "it belongs to the top level"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("headers", "did you mean set_response_headers?"),
        ("tls_cert_file", "did you mean certificate_file?"),
        ("tls-cert", "did you mean certificate?"),
        ("TLS_KEY_FILE", "did you mean certificate_key_file?"),
        ("Cookie-Name", "did you mean cookie_name?"),
        ("Routes", "did you mean routes?"),
        ("lb_policy", "write load_balancing_policy, in a route"),
        ("no_such_thing_at_all", "see the list of keys"),
    ],
)
def test_a_key_of_another_name_is_told_by_its_meaning(loaded: Load, name: str, hint: str) -> None:
    assert hints(loaded, f"{name}: x\n") == [hint]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("headers", "write set_request_headers for the upstream, set_response_headers for the caller"),
        ("tls_cert_file", "write certificate_file at the top level: it is shown to callers"),
        ("lb_policy", "did you mean load_balancing_policy?"),
        ("lb_config", "write load_balancing_policy: it has no settings of its own"),
        ("least_request_lb_config", "write load_balancing_policy: it has no settings of its own"),
        ("To", "did you mean to?"),
        ("PREFIX", "did you mean prefix?"),
        ("Allow-Websocket", "did you mean allow_websockets?"),
    ],
)
def test_a_route_key_of_another_name_is_told_by_its_meaning(loaded: Load, name: str, hint: str) -> None:
    assert hints(loaded, f"{ROUTE_TEXT}    {name}: x\n") == [hint]


def test_a_key_that_aliases_repeat_is_looked_up_once(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hint_for(name: str, _table: Mapping[str, Key]) -> str:
        asked.append(name)
        return "look it up"

    monkeypatch.setattr("pomerium_tw.config.triage.hint_for", hint_for)
    text = f"{ROUTE_TEXT}    unknown_one: x\n".replace("- from", "- &r\n    from") + "  - *r\n" * 50
    assert hints(loaded, text).count("look it up") == 51
    assert asked == ["unknown_one"]


def test_a_key_inside_of_another_one_in_capitals_is_told(loaded: Load) -> None:
    route = "routes:\n  - from: https://a.example.com\n    response: {STATUS: 200}\n"
    assert "did you mean status?" in hints(loaded, route)


@pytest.mark.parametrize("words", [misnamed._TOP_WORDS, misnamed._ROUTE_WORDS])
def test_hints_name_keys_that_there_are(words: Mapping[str, str]) -> None:
    for name, hint in words.items():
        assert name not in GLOBAL
        assert name not in ROUTE
        for key in re.findall(r"[a-z]+(?:_[a-z]+)+", hint):
            assert key in GLOBAL or key in ROUTE


@pytest.mark.parametrize("name", [name for name, key in GLOBAL.items() if key.status is Status.NOT_BUILT])
def test_each_key_of_later_gives_exactly_one_warning(warnings: Problems, name: str) -> None:
    assert warnings(f"cookie_name: x\n{name}: [1]\n") == [f"2:1: the key {name} is not built yet: ignored"]


@pytest.mark.parametrize("name", [name for name, key in ROUTE.items() if key.status is Status.NOT_BUILT])
def test_each_route_key_of_later_gives_exactly_one_warning(warnings: Problems, name: str) -> None:
    assert warnings(ROUTE_TEXT + f"    {name}: [1]\n") == [
        f"5:5: the route key {name} is not built yet: ignored"
    ]


def test_a_key_of_later_in_many_routes_gives_one_warning(warnings: Problems) -> None:
    second = ROUTE_TEXT.removeprefix("routes:\n").replace("a.example", "b.example")
    key = "    depends_on: [b.example.com]\n"
    assert warnings(ROUTE_TEXT + key + second + key + second.replace("b.ex", "c.ex") + key) == [
        "5:5: the route key depends_on is not built yet: ignored (here and in 2 other places)"
    ]


@pytest.mark.parametrize("name", [name for name, key in GLOBAL.items() if key.status is Status.FOREIGN])
def test_each_foreign_key_is_accepted_with_one_line(warnings: Problems, name: str) -> None:
    (line,) = warnings(f"{name}: x\n")
    assert line.startswith(f"1:1: the key {name} has no effect: ")


@pytest.mark.parametrize("name", [name for name, key in GLOBAL.items() if key.status is Status.REMOVED])
def test_each_removed_key_stops_start_up_with_help(problems: Problems, loaded: Load, name: str) -> None:
    assert problems(f"{name}: x\n") == [f"1:1: the key {name} was removed"]
    assert hints(loaded, f"{name}: x\n")[0]


@pytest.mark.parametrize("name", [name for name, key in ROUTE.items() if key.status is Status.REMOVED])
def test_each_removed_route_key_stops_start_up(problems: Problems, name: str) -> None:
    assert problems(ROUTE_TEXT + f"    {name}: x\n") == [f"5:5: the route key {name} was removed"]


@pytest.mark.parametrize("name", [name for name, key in GLOBAL.items() if key.status is Status.REFUSED])
def test_each_key_that_would_open_the_door_is_an_error(problems: Problems, name: str) -> None:
    message = f"1:1: the key {name} is not built yet, and ignoring it would open the door"
    assert problems(f"{name}: {{x: y}}\n") == [message]


@pytest.mark.parametrize("name", [name for name, key in ROUTE.items() if key.status is Status.REFUSED])
def test_each_route_key_that_would_open_the_door_is_an_error(problems: Problems, name: str) -> None:
    message = f"5:5: the route key {name} is not built yet, and ignoring it would open the door"
    assert problems(ROUTE_TEXT + f"    {name}: x\n") == [message]


@pytest.mark.parametrize("value", ["default", "DEFAULT", "BEARER_TOKEN_FORMAT_DEFAULT", '""', "null"])
def test_asking_for_what_happens_anyway_is_accepted(warnings: Problems, value: str) -> None:
    assert warnings(f"bearer_token_format: {value}\n{ROUTE_TEXT}    bearer_token_format: {value}\n") == []


@pytest.mark.parametrize("value", ["", "{}", "null", "[]", "false"])
def test_an_empty_key_that_is_not_built_opens_nothing(warnings: Problems, value: str) -> None:
    assert warnings(f"downstream_mtls: {value}\n") == []


def test_null_is_as_good_as_absent(loaded: Load) -> None:
    settings = loaded("cookie_name:\nroutes:\nset_response_headers: ~\n").settings
    assert settings.cookie_name == "_pomerium"
    assert settings.set_response_headers is None


def test_routes_must_be_a_list_of_mappings(problems: Problems) -> None:
    assert problems("routes: {a: 1}\npolicy: [x, [y]]\n") == [
        "1:9: routes is a list of routes, not a mapping",
        "2:10: a route is a mapping of keys to values, not text",
        "2:13: a route is a mapping of keys to values, not a list",
    ]


def test_warnings_come_with_problems(loaded: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("autocert: true\nnonsense: 1\n")
    assert [warning.message for warning in caught.value.warnings] == [
        "the key autocert is not built yet: ignored"
    ]
