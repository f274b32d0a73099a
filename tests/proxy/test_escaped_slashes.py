from __future__ import annotations

import pytest

from pomerium_tw.model import Reply, Target
from pomerium_tw.proxy import Router
from pomerium_tw.proxy.escaped_slashes import settle
from pomerium_tw.proxy.exchange import Respond
from pomerium_tw.proxy.target import EscapedSlashAction, HeldTarget, TargetRules, parse_target
from tests.proxy.test_router import plan, request

ROUTES = Router(
    [
        plan("kept", "a", prefix="/kept", escaped_slashes="keep_unchanged"),
        plan("refused", "a", prefix="/refused", escaped_slashes="reject_request"),
        plan("rest", "a"),
    ]
)


def settled(raw: bytes, default: EscapedSlashAction, **rules: bool) -> bytes | Reply:
    """What is sent upstream, or the answer."""
    asked = request("a")
    chosen = TargetRules(escaped_slashes=default, escaped_slashes_by_route=True, **rules)
    target = parse_target("GET", raw, asked.head, chosen)
    assert isinstance(target, HeldTarget)
    found = settle(asked._replace(target=target), ROUTES.find, default)
    if isinstance(found, Respond):
        return found.reply
    assert type(found.target) is Target
    return found.target.raw


@pytest.mark.parametrize("raw", [b"/a%2Fb?x%2f", b"/a%2fb", b"/a%5cb/c"])
def test_the_global_action_holds_where_the_route_says_nothing(raw: bytes) -> None:
    slashed = raw.replace(b"a%2Fb", b"a/b").replace(b"a%2fb", b"a/b").replace(b"%5c", b"/")
    assert settled(raw, "keep_unchanged") == raw
    assert settled(raw, "unescape_and_forward") == slashed
    refused = settled(raw, "reject_request")
    assert isinstance(refused, Reply) and refused.status == 400
    moved = settled(raw, "unescape_and_redirect")
    assert moved == Reply(307, ((b"Location", slashed),))


@pytest.mark.parametrize(
    "default", ["keep_unchanged", "reject_request", "unescape_and_redirect", "unescape_and_forward"]
)
def test_a_route_has_an_action_of_its_own(default: EscapedSlashAction) -> None:
    assert settled(b"/kept/%2f/x", default) == b"/kept/%2f/x"
    refused = settled(b"/refused/%2f", default)
    assert isinstance(refused, Reply) and refused.status == 400


@pytest.mark.parametrize("raw", [b"/kept%2f..%2fx", b"/kept%5c..%5cx", b"/kept/a%2f.", b"/kept%2f%2e%2e/x"])
def test_no_dot_segment_hides_behind_what_is_kept(raw: bytes) -> None:
    refused = settled(raw, "keep_unchanged")
    assert isinstance(refused, Reply) and refused.status == 400


def test_what_is_unescaped_is_normalised_afterwards() -> None:
    assert settled(b"/x%2f..%2f..%5cadmin%2f%2fy", "unescape_and_forward") == b"/admin/y"
    assert settled(b"/x%2f%2e%2e%2fadmin", "unescape_and_forward") == b"/admin"
    assert settled(b"/x%252fy%2f", "unescape_and_forward") == b"/x%252fy/"


def test_a_redirect_never_leads_to_another_host() -> None:
    moved = settled(b"/%2fevil.com", "unescape_and_redirect")
    assert moved == Reply(307, ((b"Location", b"/evil.com"),))
    refused = settled(b"/%2fevil.com", "unescape_and_redirect", merge_slashes=False)
    assert isinstance(refused, Reply) and refused.status == 400
