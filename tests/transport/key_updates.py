"""A TLS 1.3 client that sends key updates, which Python's libraries do not offer (RFC 8446 §4.6.3, §7)."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from OpenSSL import SSL

from .pairs import turns

_APPLICATION_DATA, _HANDSHAKE = 23, 22
_HASH = SHA384()


class Updating:
    """OpenSSL shakes hands; the records afterwards are our own."""

    def __init__(self, port: Any) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port.getHost().port))
        self.socket.setblocking(False)
        self._secret = b""
        self._sent = 0
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
        context.set_keylog_callback(self._learn)
        self._tls = SSL.Connection(context)
        self._tls.set_connect_state()

    def _learn(self, _connection: SSL.Connection, line: bytes) -> None:
        label, _random, secret = line.split()
        if label == b"CLIENT_TRAFFIC_SECRET_0":
            self._secret = bytes.fromhex(secret.decode())

    async def shake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                over = False
            else:
                over = True
            with suppress(SSL.WantReadError):
                self.socket.sendall(self._tls.bio_read(65536))
            if over:
                return
            await turns(1)
            with suppress(BlockingIOError):
                self._tls.bio_write(self.socket.recv(65536))

    def data(self, said: bytes) -> bytes:
        """A record of ``said``."""
        return self._record(said, _APPLICATION_DATA)

    def update(self) -> bytes:
        """A record that says that the next ones have another key; no answer is asked for."""
        record = self._record(b"\x18\0\0\1\0", _HANDSHAKE)
        self._secret, self._sent = self._derived(b"traffic upd", _HASH.digest_size), 0
        return record

    def _record(self, content: bytes, kind: int) -> bytes:
        head = b"\x17\x03\x03" + struct.pack("!H", len(content) + 17)
        nonce = int.from_bytes(self._derived(b"iv", 12)) ^ self._sent
        self._sent += 1
        key = AESGCM(self._derived(b"key", 32))
        return head + key.encrypt(nonce.to_bytes(12), content + bytes([kind]), head)

    def _derived(self, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = struct.pack("!HB", size, len(label)) + label + b"\0"
        return HKDFExpand(_HASH, size, info).derive(self._secret)
