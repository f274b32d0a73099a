"""References that are misspelt, and text that was meant for one (spec/proxy §3.5)."""

from __future__ import annotations

import pytest

from .conftest import Load, Problems

ROUTE = (
    "routes:\n  - from: https://a.example.com\n    to: http://a\n"
    "    allow_public_unauthenticated_access: true\n"
)
UNKNOWN = "X-A: a reference in this value is not known, and nothing is sent in its place"
LITERAL = "X-A: what seems to be a reference is sent as it stands"
HEADERS = '${pomerium.request.headers["NAME"]}'
ALL = "known are ${pomerium.NAME} with access_token, "


def told(loaded: Load, value: str, key: str = "set_request_headers") -> list[tuple[str, str]]:
    return [
        (each.message, each.hint) for each in loaded(f"{ROUTE}    {key}:\n      X-A: '{value}'\n").warnings
    ]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("${pomerium.acces_token}", "did you mean ${pomerium.access_token}?"),
        ("Bearer $pomerium.idtoken", "did you mean ${pomerium.id_token}?"),
        ("${pomerium.email}", ALL),
        ("${pomerium}", ALL),
        ("${pomerum.jwt}", "did you mean ${pomerium.jwt}?"),
        ('${pomerium.request.header["X-B"]}', f"did you mean {HEADERS}?"),
        ("${pomerium.request.headers}", f"did you mean {HEADERS}?"),
        ("${pomerium.jwt.x}", "did you mean ${pomerium.jwt}?"),
        ("$5", f"a dollar sign is $$; {ALL}"),
    ],
)
def test_a_reference_that_stands_for_nothing_is_told(loaded: Load, value: str, hint: str) -> None:
    ((message, said),) = told(loaded, value)
    assert message == UNKNOWN
    assert said.startswith(hint)


@pytest.mark.parametrize("name", ["X Y", "", "X-Y:", "é", "X-Pomerium-Authorization"])
def test_a_reference_to_a_header_that_is_never_there_is_told(loaded: Load, name: str) -> None:
    message = "X-A: a reference in this value is to a header that is never there, and says nothing"
    hint = f"write the name of a header such as X-Request-Start into {HEADERS}"
    assert told(loaded, f'a ${{pomerium.request.headers["{name}"]}}') == [(message, hint)]


@pytest.mark.parametrize(
    "value",
    [
        "${pomerium.jwt",
        'a ${pomerium.request.headers["X-B]}',
        "${pomerium.request.headers[X-B]}",
        "${pomerium.request.headers[''X-B'']}",
        "$ {pomerium.jwt}",
        "${{pomerium.jwt}}",
        "$(Pomerium.jwt)",
    ],
)
def test_text_that_seems_to_be_a_reference_is_told(loaded: Load, value: str) -> None:
    ((message, hint),) = told(loaded, value)
    assert message == LITERAL
    assert hint.startswith("write ${pomerium.NAME} with access_token, ")


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "${pomerium.jwt}",
        "$pomerium.client_cert_san_email",
        '${ pomerium . request . headers [ "X-B" ] }',
        "$pomerium.request.headers.X-B",
        '${pomerium.request.headers["Cookie"]}',
        "$${pomerium.jwt}",
        "$$pomerium.jwt",
        "5 $$ $",
        "pomerium",
    ],
)
def test_what_is_well_written_is_not_told(loaded: Load, value: str) -> None:
    assert told(loaded, value) == []


def test_a_value_is_never_repeated(loaded: Load) -> None:
    (said,) = told(loaded, "Basic pa$sword")
    assert "sword" not in "".join(said)


def test_answers_have_no_references(warnings: Problems) -> None:
    headers = "set_response_headers: {X-B: $5, X-A: '${pomerium.jwt}'}\n"
    message = "X-A: references are read in set_request_headers alone; this is sent as it stands"
    assert warnings(headers + ROUTE) == [f"1:38: {message}"]
    assert warnings(f"{ROUTE}    {headers}") == [f"5:42: {message}"]
