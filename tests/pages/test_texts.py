"""Ready-made texts: each says what happened and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pomerium_tw.model import ANONYMOUS, Decision, Outcome
from pomerium_tw.pages import Detail, ErrorFacts, handler_reply, texts

from .memory import REQUEST_ID, incoming, signed_in

RESTART = "https://app.example.com/wanted"


@pytest.mark.parametrize(
    ("make", "status", "flag"),
    [
        (texts.forbidden, 403, ""),
        (texts.unauthenticated, 401, ""),
        (texts.device_not_authorized, 450, ""),
        (texts.device_not_known, 401, ""),
        (texts.device_not_registered, 450, ""),
        (texts.mcp_sign_in, 401, ""),
        (texts.client_certificate_required, 495, ""),
        (texts.route_not_found, 404, "NR"),
        (texts.upstream_unreachable, 503, "UF"),
        (texts.upstream_dropped, 503, "UC"),
        (texts.upstream_malformed, 502, "UPE"),
        (texts.upstream_timeout, 504, "UT"),
        (texts.upstream_unresolved, 503, "DF"),
        (texts.no_healthy_upstream, 503, "UH"),
        (texts.upstream_overflow, 503, "UO"),
        (texts.request_timeout, 408, ""),
        (texts.request_too_large, 413, ""),
        (texts.request_malformed, 400, "DPE"),
        (lambda: texts.upgrade_malformed("This is no handshake."), 400, ""),
        (texts.upgrade_not_allowed, 403, ""),
        (texts.origin_not_allowed, 403, ""),
        (texts.store_unavailable, 503, ""),
        (texts.authorization_failed, 503, ""),
        (texts.identity_provider_unavailable, 503, ""),
        (texts.sign_in_failed, 400, ""),
        (texts.access_denied, 401, ""),
        (texts.sign_in_expired, 400, ""),
        (texts.sign_in_not_ours, 400, ""),
        (texts.sign_in_already_used, 400, ""),
        (texts.session_not_kept, 400, ""),
        (texts.link_not_valid, 400, ""),
        (texts.page_not_found, 404, ""),
        (texts.nothing_known, 404, ""),
        (texts.internal, 500, ""),
    ],
)
def test_every_text_says_what_happened_and_what_to_do(
    make: Callable[[], ErrorFacts], status: int, flag: str
) -> None:
    facts = make()
    assert (facts.status, facts.flag) == (status, flag)
    assert facts.title
    assert not facts.title.endswith(".")
    assert facts.message.endswith(".")
    assert facts.advice.endswith(".")
    page = handler_reply(facts, incoming()).body.decode()
    assert REQUEST_ID in page


@pytest.mark.parametrize(
    "make",
    [
        texts.identity_provider_unavailable,
        texts.access_denied,
        texts.sign_in_expired,
        texts.sign_in_not_ours,
        texts.sign_in_already_used,
        texts.link_not_valid,
        lambda url: texts.sign_in_failed(restart_url=url),
        texts.unauthenticated,
    ],
)
def test_a_failed_sign_in_offers_a_way_to_start_again(make: Callable[[str], ErrorFacts]) -> None:
    assert [link.href for link in make(RESTART).actions] == [RESTART]
    assert make("").actions == ()


def decision(status: int, reason: str = "why") -> Decision:
    return Decision(Outcome.DENY, status, False, frozenset(), False, frozenset(), reason)


@pytest.mark.parametrize("status", [403, 404, 450, 495])
def test_a_denial_is_told_by_its_status_and_reason(status: int) -> None:
    facts = texts.denied(decision(status), signed_in())
    assert (facts.status, facts.reason_text) == (status, "why")


def test_a_refused_account_is_named_and_may_sign_out() -> None:
    facts = texts.denied(decision(403), signed_in(email="ada@example.com"), (Detail("p", "e"),))
    assert "ada@example.com" in facts.message
    assert [link.href for link in facts.actions] == ["/.pomerium/", "/.pomerium/sign_out"]
    assert facts.details == (Detail("p", "e"),)


def test_a_refused_stranger_is_not_called_signed_in() -> None:
    facts = texts.denied(decision(403), ANONYMOUS)
    assert "signed in" not in facts.message
    assert facts.actions == ()


def test_a_name_cannot_rewrite_the_sentence_around_it() -> None:
    facts = texts.forbidden(account="a\u202eb\u2066c\r\n\x1b\u2028\x00d" + "x" * 1000)
    assert "signed in as abcdxxx" in facts.message
    assert len(facts.message) < 400


def test_a_request_that_a_page_cannot_serve_is_explained() -> None:
    facts = texts.bad_request("The parameter pomerium_redirect_uri is missing.")
    assert facts.status == 400
    assert "pomerium_redirect_uri" in facts.message
