"""Whether the other side takes what was written: how much it has not, and whether it is there at all."""

from __future__ import annotations

import socket
import struct
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any

_COUNT = struct.Struct("i")


def unsent(transport: Any) -> int:
    """Bytes that wait in the process and in the system's socket, the other side's receipt included.

    The socket counts too: it holds megabytes, which a slow client takes a minute for while nothing moves
    here. Where the system does not tell, and of transports without a socket, what is not known counts 0.
    """
    waiting = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    waiting += sum(map(len, getattr(transport, "_tempDataBuffer", ())))
    try:
        (queued,) = _COUNT.unpack(ioctl(transport.fileno(), TIOCOUTQ, bytes(_COUNT.size)))
    except (AttributeError, OSError, ValueError):
        return waiting
    return waiting + int(queued)


def broken(transport: Any) -> bool:
    """Whether the other side, or the system, has given up the connection: what is unsent will never arrive.

    The reactor hears of that by reading and writing. One whose other side has sent its last does neither.
    """
    try:
        error: int = transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except (AttributeError, OSError):
        return False
    return error != 0
