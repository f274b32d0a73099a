"""What the other side said before it stopped listening, as a server does that refuses an upload."""

from __future__ import annotations

from typing import Any


def hear_out(transport: Any, data: bytes | memoryview) -> int:
    """Take ``data`` as if it were sent: there is nobody to send it to, but maybe somebody to be read.

    The reactor waits for no room any more, closing waits for no bytes, and further writes are dropped.
    """
    transport._writeDisconnected = True
    return len(data)


class LastWords:
    """Mixed in before an eager connection that we opened.

    Where nothing can be written any more, what came before is read first, at the reader's own pace: an answer
    that is whole is not cut short. Then the connection is lost, whatever the system says of its end.
    Connections that we accept are without this: while a client's next requests are not read, a failing write
    is all that tells us it is gone.
    """

    _deaf = False
    """The other side takes nothing any more."""

    def writeSomeData(self: Any, data: bytes | memoryview) -> Any:
        sent = super().writeSomeData(data)  # type: ignore[misc]  # the class that this is mixed into
        if isinstance(sent, int):
            return sent
        self._deaf = True
        return hear_out(self, data)
