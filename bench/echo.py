"""The upstream of websockets: ``python -m bench.echo PORT``; it sends every short message back (RFC 6455)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import resource
import sys

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST = 125  # bytes of a message whose length fits the second byte of a frame


def accept_key(key: bytes) -> bytes:
    """What a server answers to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def masked(message: bytes, mask: bytes) -> bytes:
    """A client's frame with one short text message."""
    return bytes((0x81, 0x80 | len(message))) + mask + _xor(message, mask)


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


class Echo(asyncio.Protocol):
    """One connection: the opening handshake, then frames."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._arrived = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        assert self._transport is not None
        if not self._open:
            head, blank, rest = self._arrived.partition(b"\r\n\r\n")
            if not blank:
                return
            self._arrived = rest
            self._transport.write(self._handshake(head))
        while self._open and (frame := self._next_frame()):
            self._transport.write(frame)

    def _handshake(self, head: bytes) -> bytes:
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        key = fields.get(b"sec-websocket-key")
        if key is None:
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        self._open = True
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key) + b"\r\n\r\n"
        )

    def _next_frame(self) -> bytes:
        """The answer to the next whole frame; b"" until there is one."""
        arrived = self._arrived
        length = arrived[1] & 0x7F if len(arrived) > 1 else _LONGEST
        if len(arrived) < 6 + length:
            return b""
        self._arrived = arrived[6 + length :]
        return bytes((arrived[0], length)) + _xor(arrived[6 : 6 + length], arrived[2:6])


async def _main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
    asyncio.run(_main(int(sys.argv[1])))
