"""Rows HS-10 and HS-11 behind proxies of our own: who is believed, and who is not (spec/proxy §3.2)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from pomerium_tw.model import Redirect
from pomerium_tw.proxy import Trust
from tests.doors import OnLoopback, guarded

OFFICE = 'policy "office" { allow or { source_ip "203.0.113.7" } }'
ROUTES = (
    guarded("a"),
    guarded("office", OFFICE),
    guarded("moved", to=(), redirect=Redirect(path="/new")),
)
LOOPBACK = ip_network("127.0.0.0/8")
STRANGERS = Trust(networks=(ip_network("192.0.2.0/24"),))
PROXIES = Trust(networks=(LOOPBACK,))


async def asked(place: OnLoopback, host: str, **headers: str) -> Any:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    caller = await place.call(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
    return await caller.answer()


@pytest.mark.parametrize(
    ("trust", "sent", "status"),
    [
        (Trust(), "203.0.113.7", 403),
        (Trust(append=False), "203.0.113.7", 403),
        (STRANGERS, "203.0.113.7", 403),
        (PROXIES, "203.0.113.7", 200),
        (PROXIES, "203.0.113.7, 198.51.100.1", 403),
        (PROXIES, "203.0.113.7, 127.0.0.9", 200),
        (PROXIES, "203.0.113.7, nonsense", 403),
        (Trust(hops=1), "198.51.100.1, 203.0.113.7", 200),
        (Trust(hops=2), "203.0.113.7", 403),
    ],
)
@ensureDeferred
async def test_hs_10_a_policy_sees_the_address_that_can_be_believed(
    opened: Any, trust: Trust, sent: str, status: int
) -> None:
    answer = await asked(opened(*ROUTES, trust=trust), "office", X_Forwarded_For=sent)
    assert answer.status == status


@pytest.mark.parametrize(
    ("trust", "upstream"),
    [
        (Trust(), b"127.0.0.1"),
        (STRANGERS, b"127.0.0.1"),
        (PROXIES, b"9.9.9.9,127.0.0.1"),
        (Trust(append=False), b"9.9.9.9"),
    ],
)
@ensureDeferred
async def test_hs_10_the_header_for_the_upstream_is_rebuilt(
    opened: Any, trust: Trust, upstream: bytes
) -> None:
    place = opened(*ROUTES, trust=trust)
    await asked(
        place, "a", X_Forwarded_For="9.9.9.9", X_Envoy_External_Address="6.6.6.6", X_Real_IP="6.6.6.6"
    )
    assert b"\r\nX-Forwarded-For: " + upstream + b"\r\n" in place.upstream.seen
    address = b"9.9.9.9" if trust is PROXIES else b"127.0.0.1"
    assert b"\r\nX-Envoy-External-Address: " + address + b"\r\n" in place.upstream.seen
    assert b"6.6.6.6" not in place.upstream.seen


@pytest.mark.parametrize(("trust", "scheme"), [(Trust(), "http"), (STRANGERS, "http"), (PROXIES, "https")])
@ensureDeferred
async def test_hs_11_the_scheme_is_believed_from_the_same_alone(
    opened: Any, trust: Trust, scheme: str
) -> None:
    place = opened(*ROUTES, trust=trust)
    claims = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil", "X_Forwarded_Port": "666"}
    answer = await asked(place, "moved", **claims, X_Forwarded_Prefix="/evil", X_Forwarded_Uri="/evil")
    assert answer.header("location") == f"{scheme}://moved/new"
    await asked(place, "a", **claims, Forwarded="for=6.6.6.6;host=evil;proto=https")
    seen = place.upstream.seen
    assert f"\r\nX-Forwarded-Proto: {scheme}\r\n".encode() in seen
    assert b"\r\nX-Forwarded-Host: a\r\n" in seen and b"evil" not in seen and b"666" not in seen
