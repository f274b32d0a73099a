"""What is said when the proxy cannot listen: why, and what to do about that."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from twisted.internet.error import CannotListenError

from pomerium_tw.service.listening import cannot_listen

OURS = "Configure an address of this machine, or :port for all of them"


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), OURS),
        (OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)), OURS),
        (
            OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)),
            "End what listens there, or configure another address",
        ),
        (
            OSError(errno.EACCES, os.strerror(errno.EACCES)),
            "Give the process CAP_NET_BIND_SERVICE for ports below 1024, or configure another port",
        ),
    ],
)
def test_each_cause_has_its_advice(cause: OSError, advice: str) -> None:
    said = cannot_listen(CannotListenError("box.example.com", 80, cause))
    assert said == f"cannot listen on box.example.com, port 80: {cause.strerror}. {advice}"
