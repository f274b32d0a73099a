"""OpenSSL's reads and writes without what pyOpenSSL does around each: alike in all that can be seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from OpenSSL import SSL
from OpenSSL._util import lib

from pomerium_tw.transport import TLSConnection
from pomerium_tw.transport.tls_connection import PIECE, RECORD

from .pairs import ServerSide

BIG = os.urandom(40 * RECORD)


class Ends:
    """Both ends of one connection after its handshake, on sockets that never block."""

    def __init__(self) -> None:
        self.sockets = socket.socketpair()
        for each in self.sockets:
            each.setblocking(False)
        self.server = TLSConnection(ServerSide().context, self.sockets[0])
        self.client = TLSConnection(SSL.Context(SSL.TLS_CLIENT_METHOD), self.sockets[1])
        self.server.set_accept_state()
        self.client.set_connect_state()
        for _ in range(3):
            for end in (self.client, self.server):
                with suppress(SSL.WantReadError):
                    end.do_handshake()
        self.tickets = 2
        """Records of the server that the client has not read."""

    def read_tickets(self) -> None:
        for _ in range(self.tickets):
            with pytest.raises(SSL.WantReadError):
                self.client.recv(RECORD)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for each in made.sockets:
        each.close()


def test_bytes_arrive_as_they_were_sent(ends: Ends) -> None:
    assert ends.client.send(b"hello") == 5
    assert ends.server.recv(RECORD) == b"hello"
    ends.read_tickets()
    assert ends.server.send(memoryview(b"a view")[2:]) == 4
    assert ends.client.recv(RECORD) == b"view"


def test_a_read_takes_no_more_than_asked_for_and_leaves_the_rest(ends: Ends) -> None:
    ends.client.send(b"first and second")
    assert ends.server.recv(5) == b"first"
    assert ends.server.pending() == len(b" and second")
    assert ends.server.recv(10 * RECORD) == b" and second"


def test_looking_ahead_takes_nothing(ends: Ends) -> None:
    ends.client.send(b"hello")
    assert ends.server.recv(3, socket.MSG_PEEK) == b"hel"
    assert ends.server.recv(RECORD) == b"hello"


def test_nothing_to_read_is_said_and_never_bytes_of_another_read(ends: Ends) -> None:
    ends.client.send(b"a secret")
    ends.server.recv(RECORD)
    with pytest.raises(SSL.WantReadError):
        ends.server.recv(RECORD)


def test_an_end_that_was_said_is_not_an_end_that_was_cut(ends: Ends) -> None:
    ends.client.shutdown()
    with pytest.raises(SSL.ZeroReturnError):
        ends.server.recv(RECORD)
    ends.sockets[0].shutdown(socket.SHUT_WR)
    ends.read_tickets()
    with pytest.raises(SSL.SysCallError, match="Unexpected EOF"):
        ends.client.recv(RECORD)


def test_sending_nothing_sends_nothing(ends: Ends) -> None:
    assert ends.client.send(b"") == 0
    with pytest.raises(SSL.WantReadError):
        ends.server.recv(RECORD)


def test_a_large_write_goes_as_far_as_the_socket_takes_it_and_on_from_there(ends: Ends) -> None:
    sent, heard = 0, bytearray()
    while len(heard) < len(BIG):
        if sent < len(BIG):
            try:
                # Elsewhere in memory each time, as what waits is moved.
                sent += ends.client.send(bytes(bytearray(BIG[sent:])))
            except SSL.WantWriteError:
                assert heard or sent
            else:
                assert sent > RECORD or len(BIG) - sent < RECORD
        with suppress(SSL.WantReadError):
            heard += ends.server.recv(RECORD)
    assert bytes(heard) == BIG


def test_the_records_of_a_large_write_do_not_all_begin_at_one_place_of_a_page(ends: Ends) -> None:
    ends.client.send(BIG[: 8 * RECORD])
    begins, at = set(), 0
    with suppress(SSL.WantReadError):
        while True:
            begins.add(at % 4096)
            at += len(ends.server.recv(RECORD))
    assert len(begins) > 6


def test_a_small_write_into_a_full_socket_waits(ends: Ends) -> None:
    with pytest.raises(SSL.WantWriteError):
        while True:
            ends.client.send(b"x" * 1000)


@pytest.mark.parametrize("size", [100, PIECE, PIECE + 1, RECORD, RECORD + 1])
def test_what_had_no_room_goes_out_later_by_whichever_way(ends: Ends, size: int) -> None:
    """First as bytes, then as a view of them with more behind, as the transport keeps it."""
    piece = BIG[:size]
    sent = 0
    with suppress(SSL.WantWriteError):
        while True:
            sent += ends.client.send(piece)
    expected = sent + 2 * size - sent % size
    rest = memoryview(piece[sent % size :] + piece)
    heard = bytearray()
    while len(heard) < expected:
        with suppress(SSL.WantReadError):
            while True:
                heard += ends.server.recv(RECORD)
        with suppress(SSL.WantWriteError):
            rest = rest[ends.client.send(rest) :]
    assert bytes(heard) == piece * (expected // size)


def test_a_write_that_fails_half_way_leaves_no_error_behind_for_other_connections(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = iter([RECORD, RECORD])

    def write(*_arguments: object) -> int:
        written = next(results, -1)
        if written < 0:
            lib.ERR_put_error(20, 0, 1, b"test.c", 1)
        return written

    monkeypatch.setattr("pomerium_tw.transport.tls_connection._ssl_write", write)
    assert ends.client.send(BIG) == 2 * RECORD
    assert lib.ERR_peek_error() == 0


def test_a_write_to_who_is_gone_leaves_none_either(ends: Ends) -> None:
    ends.sockets[0].close()
    with pytest.raises(SSL.SysCallError):
        ends.client.send(b"hello")
    assert lib.ERR_peek_error() == 0


@pytest.mark.parametrize("result", [0, -1])
def test_a_failure_without_a_reason_gives_no_bytes(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, result: int
) -> None:
    monkeypatch.setattr("pomerium_tw.transport.tls_connection._ssl_read", lambda *_: result)
    monkeypatch.setattr("pomerium_tw.transport.tls_connection._ssl_write", lambda *_: result)
    monkeypatch.setattr(TLSConnection, "_raise_ssl_error", lambda *_: None)
    with pytest.raises(SSL.Error):
        ends.server.recv(RECORD)
    for data in (b"small", BIG):
        with pytest.raises(SSL.Error):
            ends.server.send(data)


def test_a_read_ends_with_one_record_though_it_holds_no_data(ends: Ends) -> None:
    """Records without data may come without end (RFC 8446 §4.6)."""
    ends.server.send(b"behind the tickets")
    ends.read_tickets()
    assert ends.client.recv(RECORD) == b"behind the tickets"


def test_in_memory_what_lies_behind_records_without_data_is_read_at_once() -> None:
    """Whoever keeps the bytes of a connection asks again only when more have come."""
    server = TLSConnection(ServerSide().context)
    client = TLSConnection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(2):
        for end, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                end.do_handshake()
            with suppress(SSL.WantReadError):
                other.bio_write(end.bio_read(65536))
    server.send(b"behind the tickets")
    client.bio_write(server.bio_read(65536))
    assert client.recv(RECORD) == b"behind the tickets"
