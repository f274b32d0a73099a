"""The requests of the two loads, as the bytes that go over the wire."""

from __future__ import annotations

import random

MIXED_HEADS = 4096
"""Different request heads of the mixed load; each connection meets the next one of them at every request."""

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


def padded_cookie(session: str) -> str:
    """The session cookie with others beside it, at least :data:`COOKIE_SIZE` bytes; "" gives a stand-in."""
    cookies = [session, "theme=dark"] if session else ["theme=dark"]
    missing = COOKIE_SIZE - len("; ".join(cookies)) - len("; visitor=")
    if missing > 0:
        cookies.append("visitor=" + random.Random(_SEED).randbytes(missing).hex()[:missing])
    return "; ".join(cookies)


def warm(host: str, cookie: str) -> bytes:
    """One request, repeated: what a cache of any kind likes best."""
    return _head(
        "/dashboard?tab=overview",
        [
            ("Host", host),
            ("User-Agent", _BROWSERS[0]),
            ("Accept", _ACCEPTS[0]),
            ("Accept-Language", _LANGUAGES[0]),
            ("Accept-Encoding", "gzip, deflate, br"),
            ("Referer", f"https://{host}/"),
            ("Cache-Control", "max-age=0"),
            ("Cookie", cookie),
        ],
    )


def mixed(host: str, cookie: str) -> bytes:
    """:data:`MIXED_HEADS` requests: paths, queries, referers, browsers, order of headers and cookies vary."""
    dice = random.Random(_SEED)
    return b"".join(_mixed_head(dice, host, cookie.split("; "), number) for number in range(MIXED_HEADS))


def _mixed_head(dice: random.Random, host: str, cookies: list[str], number: int) -> bytes:
    page, before = dice.choice(_PAGES), dice.choice(_PAGES)
    fields = [
        ("User-Agent", dice.choice(_BROWSERS)),
        ("Accept", dice.choice(_ACCEPTS)),
        ("Accept-Language", dice.choice(_LANGUAGES)),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Referer", f"https://{host}/{before}/{dice.randrange(1_000_000)}"),
        ("Cache-Control", dice.choice(("max-age=0", "no-cache"))),
        ("Cookie", "; ".join(dice.sample(cookies, len(cookies)))),
    ]
    dice.shuffle(fields)
    return _head(f"/{page}/{number}?page={dice.randrange(100)}", [("Host", host), *fields])


def _head(target: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
