"""What was forwarded, byte for byte: reads only the one form that a proxy should write.

``python -m tests.differential.reader_plain PORT``. Its readings are the measure for the others; whatever it
cannot read it writes down as the method BROKEN.
"""

from __future__ import annotations

import re
import socketserver
import sys
import threading

from tests.differential.readings import write

_HEAD = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.1\r\n((?:[!-9;-~]+:[\t -~\x80-\xff]*\r\n)+)\r\n")
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")
LONGEST = 1 << 20
"""Bytes of a body; one that says more is not sent in full."""
_WRITING = threading.Lock()


class Reader(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        while block := self._head():
            match = _HEAD.fullmatch(block)
            if match is None:
                self._write("BROKEN", block.decode("latin-1"), [], b"")
                return
            split = [line.partition(b":") for line in match[3].split(b"\r\n")[:-1]]
            fields = [(name.decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in split]
            body = self._body({name.lower(): value for name, value in fields})
            if body is None:
                return
            self._write(match[1].decode("latin-1"), match[2].decode("latin-1"), fields, body)
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + b"read" * (match[1] != b"HEAD")
            )

    def _head(self) -> bytes:
        block = b""
        while not block.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return b""
            block += line
        return block

    def _body(self, fields: dict[str, str]) -> bytes | None:
        """None: the connection ended before the body did."""
        if "transfer-encoding" not in fields:
            length = int(fields.get("content-length", "0"))
            body = self.rfile.read(min(length, LONGEST))
            return body if len(body) == length else None
        body = b""
        while match := _CHUNK.fullmatch(self.rfile.readline()):
            size = int(match[1], 16)
            chunk = self.rfile.read(size + 2)
            if len(chunk) < size + 2:
                return None
            if not size:
                return body
            body += chunk[:-2]
        return None

    def _write(self, method: str, target: str, fields: list[tuple[str, str]], body: bytes) -> None:
        with _WRITING:
            write(method, target, fields, body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Reader).serve_forever()
