"""TLS by OpenSSL on the socket itself, inside a Twisted TCP connection.

Twisted's own TLS moves every byte through buffers in memory, in Python; here OpenSSL reads and writes the
socket, which makes requests half as costly again (spec/speed §3). Protocols see the transport that they know.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import main
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.python.failure import Failure

from .gathering import HELD, ROOM, Gathering
from .tls_connection import PIECE, RECORD, TLSConnection

LARGE_RECORD = 8 * 1024
"""Bytes of a record from which on others may be behind it."""
MOST_READ = 256 * 1024
"""Bytes of large records read before they are passed on together; twice as much took half as long again."""
MOST_EMPTY_READS = 17 * 1024
"""Reads in a row that give no data before a TLS connection is closed: key updates, session tickets, refused
renegotiations, and segments that end within a record: more than the largest record has bytes."""


class OnSocket(Gathering):
    """Mixed in before a Twisted TCP connection; :attr:`_tls` is bound to its socket.

    The handshake begins with the first event. What is written before it ends is sent after it. A connection
    that ends without the other side's close_notify is lost, never done: nobody can cut an answer short.
    """

    SEND_LIMIT = 8 * PIECE
    """Twisted's, but for whole records."""
    _tls: TLSConnection
    _shaken = False
    """The handshake is over."""
    _write_blocked = True
    """OpenSSL has to read before it can write: the socket's being writable is of no interest."""
    _read_blocked = False
    """OpenSSL has to write before it can read."""
    _lose_when_shaken = False
    _empty_reads = 0
    """Reads in a row that gave no data."""
    _one_record = False
    """The next read takes one, large or not."""
    _notified = False
    """Our close_notify is sent."""
    _refused: BaseException | None = None
    """Why the other side's certificate is not good enough."""

    # -- handshake

    def _shake(self: Any) -> Any:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._block_writing()
            return None
        except SSL.WantWriteError:
            self._write_blocked = False
            self.startWriting()
            return None
        except SSL.Error as error:
            return self._failed(error)
        self._block_writing()
        self._shaken = True
        self._write_blocked = False
        self._handshake_over()
        # A request mostly arrives with the end of the handshake: one look saves a turn of the reactor.
        return self.doRead() if self.connected and not self.disconnecting else None

    def _handshake_over(self: Any) -> None:
        if IHandshakeListener.providedBy(self.protocol):
            self.protocol.handshakeCompleted()
        if self._waits() or self._writeDisconnecting:
            self.startWriting()
        if self._lose_when_shaken:
            self.loseConnection()

    def failVerification(self, reason: Failure) -> None:
        """The other side's certificate is not the one wanted; who verifies it makes the handshake fail."""
        self._refused = reason.value

    def _failed(self, error: SSL.Error) -> BaseException:
        """What the protocol is told of the end."""
        if self._refused is not None:
            return self._refused
        if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError):
            return main.CONNECTION_LOST
        return error

    # -- reading

    def doRead(self: Any) -> Any:
        if not self._shaken:
            return self._shake()
        if self._write_blocked:
            self._write_blocked = False
            self.startWriting()
        try:
            data = self._tls.recv(RECORD)
        except SSL.Error as error:
            return self._read_ended(error)
        self._empty_reads = 0
        one, self._one_record = self._one_record, False
        if len(data) >= LARGE_RECORD and HELD.size <= ROOM and not one:
            return self._read_on(data)
        self.protocol.dataReceived(data)
        return None

    def limit_next_read(self) -> None:
        self._one_record = True

    def _read_on(self: Any, data: bytes) -> Any:
        """A large record is seldom alone: large bodies move in few steps."""
        pieces, size, ended = [data], len(data), None
        while len(data) >= LARGE_RECORD and size < MOST_READ:
            try:
                data = self._tls.recv(RECORD)
            except SSL.Error as error:
                ended = error
                break
            pieces.append(data)
            size += len(data)
        self.protocol.dataReceived(b"".join(pieces))
        if ended is None or not self.connected or self._aborting or self.disconnecting:
            return None
        return self._read_ended(ended)

    def _read_ended(self: Any, error: SSL.Error) -> Any:
        if isinstance(error, SSL.WantReadError):
            self._empty_reads += 1
            return main.CONNECTION_LOST if self._empty_reads > MOST_EMPTY_READS else None
        if isinstance(error, SSL.WantWriteError):
            # The other side asks for something and does not read: wait for room, not for its bytes.
            self.stopReading()
            self._read_blocked = True
            self.startWriting()
            return None
        return main.CONNECTION_DONE if isinstance(error, SSL.ZeroReturnError) else self._failed(error)

    def startReading(self: Any) -> None:
        self._read_blocked = False
        super().startReading()  # type: ignore[misc]  # the class that this is mixed into

    def stopReading(self: Any) -> None:
        self._read_blocked = False
        super().stopReading()  # type: ignore[misc]

    # -- writing

    def _send_now(self: Any, data: bytes) -> int:
        if not self._shaken:
            return 0
        try:
            sent: int = self._tls.send(data)
        except SSL.Error:
            return 0
        return sent

    def writeSomeData(self: Any, data: bytes | memoryview) -> Any:
        try:
            return self._tls.send(memoryview(data)[: self.SEND_LIMIT])
        except SSL.WantWriteError:
            return 0
        except SSL.WantReadError:
            self._block_writing()
            return 0
        except SSL.Error as error:
            return self._failed(error)

    def doWrite(self: Any) -> Any:
        if not self._shaken:
            return self._shake()
        if self._read_blocked:
            self.startReading()
        return super().doWrite()

    def _block_writing(self: Any) -> None:
        if not self._write_blocked:
            self._write_blocked = True
            self.stopWriting()

    def startWriting(self: Any) -> None:
        if not self._write_blocked:
            super().startWriting()  # type: ignore[misc]

    # -- the end

    def loseConnection(self: Any) -> None:
        """Sends what was written and close_notify; the other side's is not waited for."""
        self.flush()
        if self._shaken:
            super().loseConnection()
        elif self._waits():
            self._lose_when_shaken = True
        else:
            self.abortConnection()

    def _postLoseConnection(self: Any) -> Any:
        if self._notify():
            return main.CONNECTION_DONE
        self.startWriting()
        return None

    def _closeWriteConnection(self: Any) -> None:
        """Says close_notify; what the other side still says is read (RFC 8446 §6.1)."""
        if self._notify():
            super()._closeWriteConnection()  # type: ignore[misc]
        else:
            self._writeDisconnected = False
            self.startWriting()

    def _notify(self) -> bool:
        """Send close_notify; False while the socket has no room for it."""
        if not self._notified:
            try:
                self._tls.shutdown()
            except SSL.WantWriteError:
                return False
            except SSL.Error:
                pass  # the other side is gone, and so is who would have been told
            self._notified = True
        return True

    def connectionLost(self: Any, reason: Failure) -> None:
        if not hasattr(self, "_tls"):
            return
        if self._shaken and reason.check(ConnectionDone):
            self._notify()
        super().connectionLost(reason)
        # It knows the socket by its number, which may soon be another's.
        del self._tls

    # -- what the handshake found out

    def getPeerCertificate(self) -> Any:
        """The other side's certificate, of pyOpenSSL; None if it has shown none."""
        return self._tls.get_peer_certificate()

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What both agreed to speak (ALPN); None if the client offered nothing."""
        return self._tls.get_alpn_proto_negotiated() or None
