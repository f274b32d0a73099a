from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from pomerium_tw.proxy.admission import REPORT_SECONDS, Admission, ConnectionLimits, client_group


def limited(**limits: Any) -> tuple[Admission, Clock]:
    clock = Clock()
    return Admission(clock, ConnectionLimits(**limits)), clock


def come(admission: Admission, host: str, times: int = 1) -> int:
    """How many of ``times`` connections from ``host`` were let in; they stay."""
    let_in = 0
    for _ in range(times):
        if admission.admits(host):
            admission.opened(host)
            let_in += 1
    return let_in


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:0db8:0:0::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_who_counts_as_one_client(one: str, other: str, same: bool) -> None:
    assert (client_group(one) == client_group(other)) is same


def test_one_client_cannot_take_the_room_of_others() -> None:
    admission, _clock = limited(total=10, per_client=3)
    assert come(admission, "192.0.2.1", 10) == 3
    assert come(admission, "192.0.2.2", 10) == 3
    assert admission.open == 6


def test_there_is_a_limit_in_all() -> None:
    admission, _clock = limited(total=5, per_client=2)
    assert [come(admission, f"192.0.2.{number}", 2) for number in range(4)] == [2, 2, 1, 0]


def test_a_connection_that_ends_makes_room() -> None:
    admission, _clock = limited(total=2, per_client=1)
    assert come(admission, "192.0.2.1", 2) == 1
    admission.lost("192.0.2.1")
    assert come(admission, "192.0.2.1", 2) == 1


def test_clients_without_a_connection_take_no_memory() -> None:
    admission, _clock = limited()
    for number in range(1000):
        host = f"2001:db8:{number:x}::1"
        assert come(admission, host)
        admission.lost(host)
    assert not admission._of_client
    assert admission.open == 0


def test_none_per_client_is_no_limit() -> None:
    admission, _clock = limited(total=10, per_client=0)
    assert come(admission, "192.0.2.1", 20) == 10


def test_clients_without_an_address_are_not_told_apart() -> None:
    admission, _clock = limited(total=10, per_client=1)
    assert come(admission, "", 20) == 10


@pytest.mark.parametrize("host", ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9"])
def test_proxies_before_us_are_held_to_the_limit_in_all_alone(host: str) -> None:
    exempt = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/64"))
    admission, _clock = limited(total=10, per_client=1, exempt=exempt)
    assert come(admission, host, 20) == 10
    admission.lost(host)
    assert come(admission, "198.51.100.1", 2) == 1


def test_new_limits_hold_for_connections_that_come() -> None:
    admission, _clock = limited(total=10, per_client=5)
    come(admission, "192.0.2.1", 5)
    admission.limits = ConnectionLimits(total=10, per_client=7)
    assert come(admission, "192.0.2.1", 5) == 2


@pytest.fixture
def warnings() -> Any:
    seen: list[LogEvent] = []
    globalLogPublisher.addObserver(seen.append)
    yield seen
    globalLogPublisher.removeObserver(seen.append)


def test_a_flood_is_one_line_a_minute_with_its_counts(warnings: list[LogEvent]) -> None:
    admission, clock = limited(total=3, per_client=2)
    come(admission, "192.0.2.1", 1002)
    assert [(event["total"], event["client"]) for event in warnings] == [(0, 1)]
    come(admission, "192.0.2.2", 6)
    clock.advance(REPORT_SECONDS - 1)
    assert len(warnings) == 1
    clock.advance(1)
    assert [(event["total"], event["client"]) for event in warnings[1:]] == [(5, 999)]
    assert warnings[1]["address"] == "192.0.2.2"
    clock.advance(REPORT_SECONDS)
    assert len(warnings) == 2
    assert not clock.getDelayedCalls()
    come(admission, "192.0.2.3", 1)
    assert len(warnings) == 3


def test_what_could_not_be_accepted_is_told_once_a_minute_too(warnings: list[LogEvent]) -> None:
    admission, clock = limited()
    for _ in range(1000):
        admission.not_accepted("192.0.2.1", "no descriptor is left")
        admission.not_accepted("192.0.2.2", "too many wait")
    assert [event["not_accepted"] for event in warnings] == [{"no descriptor is left": 1}]
    clock.advance(REPORT_SECONDS)
    assert [formatEvent(event) for event in warnings[1:]] == [
        "connections were refused: 1000 because too many wait, 999 because no descriptor is left; "
        "the last from 192.0.2.2"
    ]
    clock.advance(REPORT_SECONDS)
    assert len(warnings) == 2


def test_nothing_is_reported_after_the_end() -> None:
    admission, clock = limited(total=0)
    come(admission, "192.0.2.1", 2)
    admission.stop()
    assert not clock.getDelayedCalls()
