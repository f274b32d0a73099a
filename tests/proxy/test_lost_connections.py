"""What is left of a connection that was lost and logged: nothing, and no garbage collector is waited for."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Callable
from typing import Any

from pytest_twisted import ensureDeferred

from tests.doors import SOON, guarded, on_loopback, wait

SIZE = 50_000_000
REQUEST = b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n"


async def until(condition: Callable[[], object]) -> None:
    for _ in range(int(SOON * 100)):
        if condition():
            return
        await wait(0.01)
    raise AssertionError("it did not happen")


def parts_of(connection: Any) -> list[weakref.ref[Any]]:
    """A client's connection with a slow answer, and all that it hangs together with."""
    forward = connection._producer
    upstream = forward._connection
    parts = (connection, connection.transport, connection._exchange, forward, upstream, upstream.transport)
    return [weakref.ref(part) for part in parts]


@ensureDeferred
async def test_a_slow_download_that_is_given_up_is_freed_at_once() -> None:
    place, close = on_loopback([guarded("a")])
    place.upstream.script["/big"] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (SIZE, bytes(SIZE))
    connections = place.door.listener._connections
    gc.collect()
    gc.disable()
    try:
        caller = socket.create_connection(("127.0.0.1", place.port))
        caller.sendall(REQUEST)
        await until(lambda: [each for each in connections if each._clogged])
        parts = [part for each in connections for part in parts_of(each)]
        caller.close()
        await until(lambda: not connections)
        assert len(place.door.access_log()) == 1, "what is yet to be logged is known until then"
        assert [part() for part in parts] == [None] * 6
    finally:
        gc.enable()
        await close()
