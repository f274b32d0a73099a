"""``pomerium-tw policy explain``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from pomerium_tw.cli import main

CONFIGURATION = """\
insecure_server: true
policy_files: [app.ppl]
routes:
  - from: https://app.example.com
    to: http://127.0.0.1:1
    policy: app
  - from: https://old.example.com
    to: http://127.0.0.1:1
    allowed_users:
      - one@example.com
      - two@example.com
"""
POLICY = """\
policy "app" {
    allow or {
        domain "example.com"
        groups has "staff"
    }
    deny and {
        http_path starts_with "/admin"
        claim/level exclude 5
    }
    deny or { source_ip "192.0.2.0/24" }
    deny or { time_of_day { timezone "Europe/Berlin", after "20:00" } }
}
"""

Explain = Callable[..., Result]


@pytest.fixture
def explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIGURATION, "utf-8")
    Path("app.ppl").write_text(POLICY, "utf-8")

    def run(url: str, *options: str) -> Result:
        arguments = ["policy", "explain", "--config", "c.yaml", "--url", url, *options]
        return CliRunner().invoke(main, arguments, env={"HOME": "/home/somebody"})

    return run


NOON = ("--ip", "198.51.100.1", "--at", "2026-11-20T12:00+01:00")
URL = "https://app.example.com/"


def sentence(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return re.sub(r"\S*/(app.ppl|c.yaml)", r"\1", result.output.splitlines()[2])


def test_the_tree_shows_each_part_with_its_value_reason_and_place(explain: Explain) -> None:
    result = explain(URL + "admin", "--email", "a@example.com", "--claim", "level=4", *NOON)
    lines = [re.sub(r"\s{2,}", " | ", line).strip() for line in result.output.splitlines()[4:]]
    lines = [re.sub(r"\S*/app.ppl", "app.ppl", line) for line in lines]
    assert lines == [
        "true | allow | app.ppl:2:5",
        "true | or | app.ppl:2:11",
        'true | domain "example.com" | (domain-ok) | app.ppl:3:9',
        'false | groups has "staff" | (groups-unauthorized) | app.ppl:4:9',
        "true | deny | app.ppl:6:5",
        "true | and | app.ppl:6:10",
        'true | http_path starts_with "/admin" | (http-path-ok) | app.ppl:7:9',
        "true | claim/level exclude 5 | (claim-ok) | app.ppl:8:9",
        "false | deny | app.ppl:10:5",
        "false | or | app.ppl:10:10",
        'false | source_ip "192.0.2.0/24" | (source-ip-unauthorized) | app.ppl:10:15',
        "false | deny | app.ppl:11:5",
        "false | or | app.ppl:11:10",
        'false | time_of_day { timezone "Europe/Berlin", after "20:00" }'
        " | (time-of-day-unauthorized) | app.ppl:11:15",
    ]
    assert sentence(result).startswith(
        'denied (403): a deny rule holds; http_path starts_with "/admin" at app.ppl:7'
    )


@pytest.mark.parametrize(
    ("options", "decided"),
    [
        (("--email", "a@example.com"), 'allowed: an allow rule holds; domain "example.com" at app.ppl:3:9'),
        (
            ("--user", "u", "--group", "staff"),
            'allowed: an allow rule holds; groups has "staff" at app.ppl:4:9',
        ),
        (("--user", "u"), "denied (403): no allow rule holds; domain"),
        ((), 'sent to sign in: domain "example.com" at app.ppl:3:9 asks who is there'),
    ],
)
def test_who_asks_is_what_the_options_say(explain: Explain, options: tuple[str, ...], decided: str) -> None:
    assert sentence(explain(URL, *options, *NOON)).startswith(decided)


def test_claims_keep_the_types_of_json(explain: Explain) -> None:
    def deciding(claim: str) -> str:
        return sentence(explain(URL + "admin", "--email", "a@example.com", "--claim", claim, *NOON))

    assert deciding("level=5").startswith("allowed")
    assert deciding('level="5"').startswith("denied")
    assert deciding("level=five").startswith("denied")


def test_the_address_is_unknown_unless_given(explain: Explain) -> None:
    at = ("--email", "a@example.com", "--at", "2026-11-20T12:00+01:00")
    result = explain(URL, *at)
    assert sentence(result) == (
        'unknown: source_ip "192.0.2.0/24" at app.ppl:10:15 depends on what was not given: address'
    )
    assert re.search(r"^unknown +source_ip \"192.0.2.0/24\"  \(needs address\)", result.output, re.MULTILINE)
    assert sentence(explain(URL, *at, "--ip", "::ffff:192.0.2.7")).startswith(
        "denied (403): a deny rule holds"
    )


def test_the_time_is_now_unless_given(explain: Explain) -> None:
    late = ("--email", "a@example.com", "--ip", "198.51.100.1", "--at", "2026-11-20T19:30")
    assert "time_of_day" in sentence(explain(URL, *late)), "19:30 UTC is 20:30 in Berlin"


def test_the_older_keys_are_named_where_they_are_written(explain: Explain) -> None:
    found = sentence(explain("https://old.example.com/", "--email", "two@example.com"))
    assert found.startswith('allowed: an allow rule holds; email is "two@example.com" at c.yaml:11:9')
    found = sentence(explain("https://old.example.com/", "--email", "three@example.com"))
    assert found.startswith('denied (403): no allow rule holds; user is "one@example.com" at c.yaml:10:9')


def test_a_request_that_no_route_takes(explain: Explain) -> None:
    result = explain("https://elsewhere.example.com/")
    assert result.output.splitlines()[1] == "denied (404): no route takes this request"


def test_a_certificate_is_read(explain: Explain, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("client.example.com")
    Path("client.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    Path("app.ppl").write_text(
        'policy "app" { allow or { client_certificate { san_dns "client.example.com" } } }', "utf-8"
    )
    assert sentence(explain(URL, "--cert", "client.pem")).startswith(
        "allowed: an allow rule holds; client_cert"
    )
    assert sentence(explain(URL)).startswith("denied (403): no allow rule holds; client_certificate")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--at", "noon"), "is not a time such as"),
        (("--ip", "localhost"), "'localhost' is not an IP address"),
        (("--claim", "level"), "'level' is not a claim; write NAME=VALUE"),
        (("--header", "x"), "'x' is not a header; write NAME:VALUE"),
        (("--cert", "app.ppl"), "app.ppl holds no certificate (PEM)"),
    ],
)
def test_an_option_that_cannot_be_read_exits_with_2(
    explain: Explain, options: tuple[str, ...], said: str
) -> None:
    result = explain(URL, *options)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("url", ["ftp://app.example.com/", "https://", "https://app.example.com/a%2Fb"])
def test_a_url_that_no_request_has_exits_with_2(explain: Explain, url: str) -> None:
    assert explain(url).exit_code == 2


def test_a_configuration_that_cannot_be_used_exits_with_1(explain: Explain) -> None:
    Path("app.ppl").write_text('policy "app" { allow or { domian "x" } }', "utf-8")
    result = explain(URL)
    assert result.exit_code == 1
    assert "app.ppl:1:27: unknown policy criterion: domian" in result.output


@pytest.mark.parametrize("path", [".pomerium/", ".pomerium/user", "ping"])
def test_addresses_of_our_own_ask_no_policy(explain: Explain, path: str) -> None:
    lines = explain(URL + path).output.splitlines()
    assert lines[1].startswith("no policy is asked")
    assert len(lines) == 2


@pytest.mark.parametrize("url", ["nonsense:/x", "app.example.com"])
def test_a_url_says_its_scheme(explain: Explain, url: str) -> None:
    assert explain(url).exit_code == 2


def test_a_method_that_would_be_refused_is_not_decided(explain: Explain) -> None:
    result = explain(URL, "--method", "get")
    assert result.exit_code == 2 and "(405)" in result.output


def test_comments_are_no_part_of_a_criterion(explain: Explain) -> None:
    Path("app.ppl").write_text(
        'policy "app" { allow or {\n# above\ndomain "example.com" # beside\n} }', "utf-8"
    )
    result = explain(URL, "--email", "a@example.com")
    assert "above" not in result.output and "beside" not in result.output


def test_a_record_by_address_makes_no_other_record_unknown(explain: Explain) -> None:
    Path("staff.json").write_text('[{"id": "a@example.com", "level": 5}]', "utf-8")
    Path("geo.json").write_text('[{"id": "192.0.2.0/24", "country": "DE"}]', "utf-8")
    data = (
        "external_data:\n"
        "  - {record_type: staff, foreign_key: user.email, file: staff.json}\n"
        "  - {record_type: geo, foreign_key: request.ip, file: geo.json}\n"
    )
    Path("c.yaml").write_text(CONFIGURATION + data, "utf-8")
    Path("app.ppl").write_text('policy "app" { allow or { record { type "staff", exists true } } }', "utf-8")
    assert sentence(explain(URL, "--email", "a@example.com")).startswith("allowed")
    Path("app.ppl").write_text('policy "app" { allow or { record { type "geo", exists true } } }', "utf-8")
    assert sentence(explain(URL, "--email", "a@example.com")).startswith("unknown")


def test_routes_that_answer_by_themselves_are_explained_too(explain: Explain) -> None:
    Path("c.yaml").write_text(
        "insecure_server: true\nroutes:\n"
        "  - from: https://a.example.com\n    redirect: {host_redirect: b.example.com}\n"
        "    allow_any_authenticated_user: true\n"
        "  - from: https://b.example.com\n    response: {status: 404, body: gone}\n"
        "    allow_public_unauthenticated_access: true\n",
        "utf-8",
    )
    denied = explain("https://a.example.com/x")
    assert "c.yaml:3:5" in denied.output
    assert sentence(denied).startswith("sent to sign in: ")
    assert sentence(explain("https://b.example.com/")).startswith("allowed: ")


def test_of_equal_routes_the_first_is_explained(explain: Explain) -> None:
    route = "  - from: https://a.example.com\n    response: {status: 200, body: x}\n"
    Path("c.yaml").write_text(
        f"routes:\n{route}    policy: [{{deny: {{or: [{{accept: true}}]}}}}]\n"
        f"{route}    allow_public_unauthenticated_access: true\n",
        "utf-8",
    )
    result = explain("https://a.example.com/")
    assert "c.yaml:2:5" in result.output
    assert sentence(result).startswith("denied")
