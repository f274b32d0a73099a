"""The requests of the loads, as the bytes that go over the wire, and whom each of them is of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.sessions import Sessions

HOSTS = tuple(f"app{number:02d}.localhost" for number in range(20))
"""The hosts of the twenty routes."""

COOKIE_SIZE = 300
"""Bytes that the Cookie value has at least: a session and what web applications set beside it."""

_SEED = 20250101
"""Fixed, so that every proxy of every run is sent the same bytes."""

_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1",
)
_LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.7", "fr-FR,fr;q=0.8,en;q=0.5")
_ACCEPTS = ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json", "*/*")
_PAGES = (
    "dashboard",
    "projects",
    "reports/weekly",
    "api/v2/items",
    "static/app",
    "search",
    "users",
    "settings/profile",
)


class Head(NamedTuple):
    """One request, with what a cache could know it by."""

    data: bytes
    """The request line and all header lines, with the blank line."""
    session: int
    """Number of the caller."""
    host: str
    """Without the port: which route it takes."""

    @property
    def block(self) -> bytes:
        """The header lines: the same block may come again under another request line."""
        return self.data.partition(b"\r\n")[2]


class Load(NamedTuple):
    """Requests that are sent in turn, over all connections, again from the start when all were sent."""

    name: str
    path: Path
    """The file that the generators read."""
    heads: Sequence[Head]

    @classmethod
    def write(cls, name: str, folder: Path, heads: Sequence[Head]) -> Load:
        """Write the requests to ``folder``."""
        path = folder / f"{name}.requests"
        path.write_bytes(b"".join(head.data for head in heads))
        return cls(name, path, heads)


def cookies(session: str) -> list[str]:
    """The session cookie and others beside it, together at least :data:`COOKIE_SIZE` bytes."""
    found = [session, "theme=dark"]
    missing = COOKIE_SIZE - len("; ".join(found)) - len("; visitor=")
    if missing > 0:
        found.append("visitor=" + random.Random(_SEED).randbytes(missing).hex()[:missing])
    return found


def warm(sessions: Sessions) -> list[Head]:
    """One request, repeated: what a cache of any kind likes best."""
    authority = f"{HOSTS[0]}:{sessions.port}"
    fields = [
        ("Host", authority),
        ("User-Agent", _BROWSERS[0]),
        ("Accept", _ACCEPTS[0]),
        ("Accept-Language", _LANGUAGES[0]),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Referer", f"https://{authority}/"),
        ("Cache-Control", "max-age=0"),
        ("Cookie", "; ".join(cookies(sessions.cookie(0, HOSTS[0])))),
    ]
    return [Head(_head("/dashboard?tab=overview", fields), 0, HOSTS[0])]


def mixed(sessions: Sessions, hosts: Sequence[str] = HOSTS, callers: int = 1000) -> list[Head]:
    """One request of each caller to each host, in random order.

    Path, query, referer, browser, order of headers and order of cookies differ.
    """
    dice = random.Random(_SEED)
    pairs = [(caller, host) for caller in range(callers) for host in hosts]
    dice.shuffle(pairs)
    return [_varied(dice, sessions, caller, host, turn) for turn, (caller, host) in enumerate(pairs)]


def cold(sessions: Sessions, first: int, count: int) -> list[Head]:
    """One request of each of ``count`` callers, from the one called ``first`` on: nobody comes twice."""
    dice = random.Random(_SEED)
    return [_varied(dice, sessions, first + turn, dice.choice(HOSTS), turn) for turn in range(count)]


def with_line(head: Head, name: str, value: str) -> Head:
    """The same request with one header line more."""
    return head._replace(data=head.data[:-2] + f"{name}: {value}\r\n\r\n".encode("ascii"))


def _varied(dice: random.Random, sessions: Sessions, caller: int, host: str, turn: int) -> Head:
    page, before = dice.choice(_PAGES), dice.choice(_PAGES)
    authority = f"{host}:{sessions.port}"
    held = cookies(sessions.cookie(caller, host))
    fields = [
        ("User-Agent", dice.choice(_BROWSERS)),
        ("Accept", dice.choice(_ACCEPTS)),
        ("Accept-Language", dice.choice(_LANGUAGES)),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Referer", f"https://{authority}/{before}/{dice.randrange(1_000_000)}"),
        ("Cache-Control", dice.choice(("max-age=0", "no-cache"))),
        ("Cookie", "; ".join(dice.sample(held, len(held)))),
    ]
    dice.shuffle(fields)
    target = f"/{page}/{turn}?page={dice.randrange(100)}"
    return Head(_head(target, [("Host", authority), *fields]), caller, host)


def _head(target: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
