"""What somebody is told who writes a key of the data path as it seems natural, and not as it is meant."""

from __future__ import annotations

import pytest

from pomerium_tw.config import ConfigError

from .conftest import Load, Problems

ROUTE = "routes:\n  - from: https://app.example.com\n    policy: []\n    {}\n"
"""One route; the line in question is the fourth."""
DIGITS = "write digits alone, without a unit: 10000"
NETWORKS = "write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32, and several as a list"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("min_body_rate: 1kb", "min_body_rate: a whole number is expected here, not text", DIGITS),
        ("max_request_body: 10MB", "max_request_body: a whole number is expected here, not text", DIGITS),
        ("max_connections: 1_000", "max_connections: a whole number is expected here, not text", DIGITS),
        ("timeout_write: 30", "timeout_write: a duration is expected here, not a number", "write a duration"),
        ("http_redirect_addr: 80", "http_redirect_addr: this is a port without its colon", "write :80"),
        ("address: '8443'", "address: this is a port without its colon", "write :8443"),
        ("codec_type: http2", "codec_type: http2 is not built yet", "use one of: auto, http1"),
        (
            "trusted_proxies: 10.0.0.0/8 192.0.2.1",
            "trusted_proxies: this is not an address or a network",
            NETWORKS,
        ),
        (
            "upstream_deny_networks: [private]",
            "upstream_deny_networks: this is not an address or a network",
            NETWORKS,
        ),
    ],
)
def test_of_the_top_level(loaded: Load, line: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(line)
    (problem,) = caught.value.problems
    assert problem.message == message
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "redirect: https://b.example.com",
            "redirect: a mapping is expected here",
            "its keys are: https_redirect, ",
        ),
        (
            "redirect: {to: b.example.com}",
            "redirect: there is no key to",
            "its keys are: https_redirect, ",
        ),
        ("response: hello", "response: a mapping is expected here", "its keys are: status, body"),
        (
            "regex_rewrite_pattern: (foo",
            "regex_rewrite_pattern: this is not a regular",
            "RE2 says: missing )",
        ),
        ("regex: /(?!admin).*", "regex: this is not a regular expression of RE2", "RE2 has no look-around"),
        ("regex: (a)\\1", "regex: this is not a regular expression of RE2", "RE2 has no look-around"),
        (
            "host_rewrite: https://b.example.com",
            "host_rewrite: a host is expected here, not a URL",
            "write app.example.com",
        ),
        ("rewrite_response_headers: {Location: x}", "rewrite_response_headers: a list is expected here", ""),
        (
            "remove_request_headers: X-A X-B",
            "remove_request_headers: this is not a header name",
            "write one such as X-Request-Start",
        ),
    ],
)
def test_of_a_route(loaded: Load, line: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(ROUTE.format(line))
    (problem,) = [each for each in caught.value.problems if each.span.line == 4]
    assert problem.message.startswith(message)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize("stem", ["regex_rewrite", "host_path_regex_rewrite"])
def test_a_broken_pattern_is_one_fault(loaded: Load, stem: str) -> None:
    lines = f"to: http://a\n    {stem}_pattern: (x\n    {stem}_substitution: y"
    with pytest.raises(ConfigError) as caught:
        loaded(ROUTE.format(lines))
    assert len(caught.value.problems) == 1
    assert [each for each in caught.value.warnings if "substitution" in each.message] == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "told"),
    [("^/v(.*)$", "/$1", True), ("^/v(.*)$", "/${1}", True), (".*", "/$1", False), ("(.*)", "/$x", False)],
)
def test_groups_written_with_a_dollar_are_told(
    warnings: Problems, pattern: str, replacement: str, told: bool
) -> None:
    lines = (
        f"to: http://a\n    regex_rewrite_pattern: {pattern}\n    regex_rewrite_substitution: {replacement}"
    )
    found = [each for each in warnings(ROUTE.format(lines)) if "plain text" in each]
    said = "6:33: $1 and its like are plain text in regex_rewrite_substitution"
    assert found == ([said] if told else [])
