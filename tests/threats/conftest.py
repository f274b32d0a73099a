"""One front door on a real socket for all the rows, and an upstream behind it that keeps every byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.doors import NOBODY, SIGNED_IN, OnLoopback, guarded, on_loopback

ADMIN_DENIED = 'policy "but not admin" { allow or { accept } deny or { http_path starts_with "/admin" } }'

PREFLIGHTS = 'policy "preflights" { allow or { cors_preflight } }'
ROW = re.compile(r"(?<![a-z])(sm|hs|pn|ws|do|ss)[-_]([0-9]{2})(?![0-9])", re.IGNORECASE)
"""How the name of a test names the row of the threat table that it shows."""

ROUTES = (
    guarded("a", timeout=3),
    guarded("nobody", NOBODY),
    guarded("guarded", ADMIN_DENIED),
    guarded("members", SIGNED_IN, pass_identity_headers=True),
    guarded("login", SIGNED_IN),
    guarded("rewritten", prefix="/a", prefix_rewrite="/"),
    guarded("preflights", PREFLIGHTS),
    guarded("sockets", upgrades=frozenset({"websocket"})),
    guarded("configured", set_request_headers={"X-Set": "${pomerium.id_token}"}),
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """``pytest -k SM-14`` finds the tests of that row, whether they are called so or ``sm_14``."""
    item.extra_keyword_matches.update(f"{kind}-{number}".upper() for kind, number in ROW.findall(item.name))


@pytest.fixture(scope="module")
def shared_place() -> Iterator[OnLoopback]:
    place, close = on_loopback(ROUTES, claim_headers={"X-Email": "email", "X-Team": "team"})
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(close()))


@pytest.fixture
def place(shared_place: OnLoopback) -> Iterator[OnLoopback]:
    shared_place.upstream.forget()
    yield shared_place
    for caller in shared_place.callers:
        caller.hang_up()
    shared_place.callers.clear()


@pytest.fixture
def opened() -> Iterator[Any]:
    """Opens further doors with options of their own, and closes them."""
    closers = []

    def open_door(*routes: Any, **options: Any) -> OnLoopback:
        place, close = on_loopback(routes or ROUTES, **options)
        closers.append(close)
        return place

    yield open_door
    for close in closers:
        pytest_twisted.blockon(Deferred.fromCoroutine(close()))
