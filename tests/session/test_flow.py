from __future__ import annotations

import os

import pytest
from twisted.internet.task import Clock

from pomerium_tw.model import Secret
from pomerium_tw.session import FLOW_LIFETIME, Flow, FlowCookies, FlowError
from pomerium_tw.session.flow import MAX_HELD_FLOWS
from pomerium_tw.token import Sealer

SEALER = Sealer(Secret(b"k" * 32))


def cookies(
    clock: Clock, *, sealer: Sealer = SEALER, path: str = "/oauth2/callback", lifetime: int = 300
) -> FlowCookies:
    return FlowCookies(sealer, "_pomerium", path, now=clock.seconds, random=os.urandom, lifetime=lifetime)


def header(set_cookie: bytes) -> bytes:
    return set_cookie.partition(b";")[0]


def test_a_flow_is_resumed_by_the_browser_that_holds_its_cookie() -> None:
    flows = cookies(Clock())
    one, two = Flow(flows.new_id(), {"nonce": "n1"}), Flow(flows.new_id(), {"nonce": "n2"})
    assert one.id != two.id and len(one.id) == 22
    held = b"; ".join([header(flows.begin(one)), b"other=1", header(flows.begin(two))])
    assert flows.resume(held, one.id) == one and flows.resume(held, two.id) == two


def test_the_cookie_is_bound_to_its_path_and_short() -> None:
    flows = cookies(Clock())
    line = flows.begin(Flow("id", {"nonce": "secret"}))
    assert line.startswith(b"_pomerium_flow_id=") and b"secret" not in line
    assert line.endswith(b"; Path=/oauth2/callback; Max-Age=300; Secure; HttpOnly; SameSite=Lax")
    assert flows.begin(Flow("id", {}), cross_site_post=True).endswith(b"SameSite=None")
    assert flows.end("id") == b"_pomerium_flow_id=; Path=/oauth2/callback; Max-Age=0; Secure; HttpOnly"


def test_a_cookie_of_its_own_host_has_the_prefix_and_is_bound_to_its_path_by_the_seal() -> None:
    def flows(path: str) -> FlowCookies:
        return FlowCookies(SEALER, "_pomerium", path, now=Clock().seconds, random=os.urandom, own_host=True)

    line = flows("/a").begin(Flow("id", {}))
    assert line.startswith(b"__Host-_pomerium_flow_id=") and b"; Path=/; " in line
    assert flows("/a").end("id") == b"__Host-_pomerium_flow_id=; Path=/; Max-Age=0; Secure; HttpOnly"
    assert flows("/a").resume(header(line), "id").id == "id"
    for path, held in (("/b", header(line)), ("/a", header(line).removeprefix(b"__Host-"))):
        with pytest.raises(FlowError):
            flows(path).resume(held, "id")


def test_a_browser_without_the_cookie_did_not_begin() -> None:
    flows = cookies(Clock())
    for held in (
        None,
        b"",
        b"_pomerium_flow_id=",
        b"_pomerium_flow_id=xxxx",
        header(flows.begin(Flow("other", {}))),
    ):
        with pytest.raises(FlowError) as caught:
            flows.resume(held, "id")
        assert not caught.value.expired


def test_a_cookie_is_no_other_flows_paths_or_keys() -> None:
    clock = Clock()
    value = header(cookies(clock).begin(Flow("id", {}))).partition(b"=")[2]
    for flows, name in (
        (cookies(clock), "other"),
        (cookies(clock, path="/.pomerium/callback/"), "id"),
        (cookies(clock, sealer=Sealer(Secret(b"x" * 32))), "id"),
    ):
        with pytest.raises(FlowError):
            flows.resume(b"_pomerium_flow_" + name.encode() + b"=" + value, name)


def test_a_flow_ends_by_itself() -> None:
    clock = Clock()
    clock.advance(1_800_000_000.9)
    for lifetime in (FLOW_LIFETIME, 600):
        flows = cookies(clock, lifetime=lifetime)
        held = header(flows.begin(Flow("id", {})))
        clock.advance(lifetime - 1)
        flows.resume(held, "id")
        clock.advance(2)
        with pytest.raises(FlowError) as caught:
            flows.resume(held, "id")
        assert caught.value.expired


def test_a_planted_cookie_beside_ours_does_not_hide_it() -> None:
    flows = cookies(Clock())
    held = b"_pomerium_flow_id=planted; " + header(flows.begin(Flow("id", {"a": "b"})))
    assert flows.resume(held, "id").values == {"a": "b"}


def test_a_browser_holds_the_flows_that_it_began_and_no_others() -> None:
    clock = Clock()
    flows = cookies(clock)
    old, one, two = (Flow(flows.new_id(), {"nonce": str(number)}) for number in range(3))
    expired = header(flows.begin(old))
    clock.advance(301)
    theirs = cookies(clock, sealer=Sealer(Secret(b"x" * 32))).begin(Flow(flows.new_id(), {}))
    renamed = b"_pomerium_flow_" + one.id[::-1].encode() + b"=" + header(flows.begin(one)).partition(b"=")[2]
    held = [header(flows.begin(one)), b"a=_pomerium_flow_x", expired, header(theirs), renamed]
    assert flows.held(b"; ".join([*held, header(flows.begin(two))])) == [one, two]
    assert flows.held(None) == flows.held(b"") == []


def test_of_many_flows_the_last_ones_are_looked_at() -> None:
    flows = cookies(Clock())
    begun = [Flow(flows.new_id(), {}) for _ in range(MAX_HELD_FLOWS + 4)]
    assert flows.held(b"; ".join(header(flows.begin(flow)) for flow in begun)) == begun[4:]
