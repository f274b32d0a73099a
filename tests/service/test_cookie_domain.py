"""``cookie_domain`` from a configuration file to what is answered."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from pomerium_tw.service import PomeriumService, make_service
from pomerium_tw.telemetry import LineWriter
from tests.logs import AtOnce

CONFIG = """
address: 127.0.0.1:0
insecure_server: true
databroker_storage_type: memory
authenticate_service_url: https://auth.example.com
idp_provider: oidc
idp_provider_url: https://idp.example.com
idp_client_id: a
idp_client_secret: b
routes:
  - {from: 'https://app.example.com', to: 'http://127.0.0.1:1', allow_any_authenticated_user: true}
  - {from: 'https://app.other.example', to: 'http://127.0.0.1:1', allow_any_authenticated_user: true}
"""
STAR = """  - from: https://*
    to: http://127.0.0.1:1
    policy: [{allow: {or: [authenticated_user: true]}}]
"""


def sent_away(service: PomeriumService, host: str) -> tuple[int, bool, bool]:
    """The status, whether a cookie is for this browser alone, and whether the link names it."""
    client = http.client.HTTPConnection("127.0.0.1", service.port_number, timeout=10)
    client.request("GET", "/", headers={"Host": host, "Accept": "text/html"})
    answer = client.getresponse()
    answer.read()
    client.close()
    cookie, location = answer.getheader("Set-Cookie", ""), answer.getheader("Location", "")
    return answer.status, "_pomerium_flow_" in cookie, "pomerium_flow=" in location


@pytest.mark.parametrize(
    ("domain", "host", "expected"),
    [
        ("", "app.example.com", (302, True, True)),
        ("example.com", "app.example.com", (302, False, False)),
        ("example.com", "app.other.example", (302, True, True)),
        ("other.example", "app.example.com", (302, True, True)),
        ("other.example", "app.other.example", (302, True, True)),
        ("", "blog.example", (400, False, False)),
        ("example.com", "blog.example", (400, False, False)),
        ("example.com", "blog.example.com", (302, False, False)),
    ],
)
@ensureDeferred
async def test_where_sign_ins_are_bound_to_their_browsers(
    tmp_path: Path, domain: str, host: str, expected: tuple[int, bool, bool]
) -> None:
    """By a cookie of the route's host, but within a domain that the authenticate service is in."""
    path = tmp_path / "c.yaml"
    path.write_text(f"cookie_domain: {domain}\n" * bool(domain) + f"state_dir: {tmp_path}\n{CONFIG}{STAR}")
    service = make_service(str(path), {}, writer=LineWriter(AtOnce(1, lambda _fd, data: len(data)), reactor))
    assert isinstance(service, PomeriumService)
    service.startService()
    await service.ready
    try:
        assert await deferToThread(sent_away, service, host) == expected
    finally:
        await service.stopService()
