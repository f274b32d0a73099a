from __future__ import annotations

import re
from uuid import UUID

import pytest
from twisted.internet.address import IPv6Address

from pomerium_tw.proxy import listener as room
from pomerium_tw.proxy.listener import RequestIds
from tests.doors import Pipe, Wire, read_answers

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


def test_request_ids_are_uuids_of_version_4_that_do_not_repeat() -> None:
    new = RequestIds()
    made = [new() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made[::50]:
        assert (UUID(text).version, UUID(text).variant, str(UUID(text))) == (4, "specified in RFC 4122", text)


def test_request_ids_take_their_randomness_in_batches() -> None:
    drawn: list[int] = []

    def random(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    new = RequestIds(random)
    for _ in range(256):
        assert new() == "00000000-0000-4000-8000-000000000000"
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1")],
)
def test_the_peers_address_is_bare(host: str, address: str) -> None:
    class Transport(Pipe):
        def getPeer(self) -> object:
            return IPv6Address("TCP", host, 5)

    assert Wire().door.listener.peer_of(Transport()) == (address, 5)


def test_connections_beyond_the_limit_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_CONNECTIONS", 1)
    wire = Wire()
    assert wire.door.listener.buildProtocol(None) is None
    wire.client_closes()
    wire.open()
    assert read_answers(wire.send(PING))[0].status == 200


def test_every_answer_has_a_request_id() -> None:
    wire = Wire()
    for sent in (PING, b"GET / HTTP/1.1\r\nHost: unknown\r\n\r\n", b"nonsense\r\n\r\n"):
        assert re.search(rb"\r\nX-Request-Id: [0-9a-f-]{36}\r\n", wire.send(sent))
