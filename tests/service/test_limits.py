from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import LogEvent, globalLogPublisher

from pomerium_tw.config import Settings
from pomerium_tw.proxy import ConnectionLimits
from pomerium_tw.service.limits import allow_descriptors, connection_limits
from tests.doors import Caller

from .test_run import PLAIN, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def limits(**settings: Any) -> ConnectionLimits:
    return connection_limits(Settings.model_validate(settings))


def test_the_limits_are_those_of_the_configuration() -> None:
    assert limits() == ConnectionLimits(50_000, 1000)
    assert limits(max_connections=70, max_connections_per_client=7) == ConnectionLimits(70, 7)
    assert limits(max_connections_per_client=0).per_client == 0


def test_proxies_that_are_trusted_may_have_more() -> None:
    assert limits(trusted_proxies=["10.0.0.0/8"]).exempt == (ip_network("10.0.0.0/8"),)


def test_behind_a_number_of_proxies_connections_are_not_counted_by_address() -> None:
    assert limits(xff_num_trusted_hops=1).per_client == 0


@pytest.mark.parametrize(("allowed", "warnings"), [(141, 1), (1140, 0), (5000, 0)])
def test_a_system_that_allows_too_few_open_files_is_warned_of(allowed: int, warnings: int) -> None:
    asked: list[int] = []
    seen: list[LogEvent] = []

    def raise_limit(wanted: int) -> int:
        asked.append(wanted)
        return allowed

    globalLogPublisher.addObserver(seen.append)
    allow_descriptors(ConnectionLimits(total=70), raise_limit)
    globalLogPublisher.removeObserver(seen.append)
    assert asked == [1140]
    assert len(seen) == warnings


@ensureDeferred
async def test_plain_http_is_redirected_where_the_configuration_says(site: Site) -> None:
    service = site.service("http_redirect_addr: 127.0.0.1:0\n" + PLAIN)
    service.startService()
    await service.ready
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", service.redirect_port_number)
    caller: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    caller.send(b"GET /x?y HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
    answer = await caller.answer()
    assert (answer.status, answer.header("location")) == (301, "https://app.example.com/x?y")
    assert answer.header("strict-transport-security") is None
    await caller.end()
    idle: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    await service.stopService()
    await idle.end()


@ensureDeferred
async def test_a_reload_brings_new_limits(site: Site) -> None:
    service = site.service("max_connections_per_client: 1\n" + PLAIN)
    service.startService()
    await service.ready
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", service.port_number)
    first: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    beyond: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    assert await beyond.end() == b""
    site.write("max_connections_per_client: 2\n" + PLAIN)
    assert await service.reload() == ()
    second: Caller = await endpoint.connect(Factory.forProtocol(Caller))
    for caller in (first, second):
        caller.send(b"GET /ping HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
        assert (await caller.answer()).status == 200
    await service.stopService()
