"""Many real sessions: copies of one that a browser made, each of another person.

A sign-in takes some ten milliseconds, a copy a tenth of one. A copy has its own user record, session record
and session id, and at every host a handle of its own, signed with the key of the installation: all that a
proxy can know a caller by differs, as after so many sign-ins.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pomerium_tw.databroker import MAX_BATCH, SESSION, USER, Record, SQLiteStore
from pomerium_tw.model import Secret
from pomerium_tw.session import HandleCodec, SessionHandle
from pomerium_tw.token import subkey

DATABASE = "databroker.sqlite"
"""Name of the store's file in the state folder."""

_PURPOSE = "session-handle"
_COOKIE = "__Host-_pomerium"
_STAND_IN = "x" * 400


@dataclass(frozen=True, slots=True)
class Sessions:
    """Whose cookies the requests carry: number 0 signed in by himself, all others are copies of him."""

    port: int
    """The port in every Host header."""
    template: SessionHandle | None
    """The handle that the browser got; None when no proxy looks at it, for a stand-in then does."""
    codec: HandleCodec | None = field(default=None, repr=False)

    @classmethod
    def like(cls, port: int, cookie: str, shared_secret: str) -> Sessions:
        """``cookie``: the Cookie header after a sign-in; ``shared_secret``: as configured, in base64.

        Raises LookupError when the cookie holds no session and HandleError when the secret is another's.
        """
        for each in cookie.split("; "):
            name, _, value = each.partition("=")
            if name == _COOKIE:
                key = subkey(Secret(base64.b64decode(shared_secret)), _PURPOSE)
                codec = HandleCodec(key, issuer="authenticate.localhost")
                return cls(port, codec.decode(value), codec)
        raise LookupError(f"no cookie called {_COOKIE} after the sign-in")

    def cookie(self, number: int, host: str) -> str:
        """What caller ``number`` sends to ``host``: name=value."""
        if self.template is None or self.codec is None:
            return f"{_COOKIE}={number:06d}{host}{_STAND_IN}"
        real = self.template
        handle = replace(
            real,
            id=copy_id(real.id, number),
            user_id=copy_id(real.user_id, number),
            audience=(host,),
        )
        return f"{_COOKIE}={self.codec.encode(handle)}"


def copy_id(original: str, number: int) -> str:
    """The id that stands for ``original`` in copy ``number``; copy 0 is the original."""
    return f"{original}-{number}" if number else original


def email_of(number: int) -> str:
    """The address of caller ``number``: what the upstream is told."""
    return f"user{number}@example.com" if number else "user@example.com"


def copy(session: Record, user: Record, number: int) -> tuple[Record, Record]:
    """The user and the session record of copy ``number``, in the order in which they are written."""
    user_id, session_id = copy_id(user.id, number), copy_id(session.id, number)
    # A session's claims speak before its user's.
    person = {**user.data, "id": user_id, **_named(user.data, number), "email": email_of(number)}
    held = {**session.data, "id": session_id, "user_id": user_id, **_named(session.data, number)}
    return Record.new(USER, user_id, person), Record.new(SESSION, session_id, held)


def _named(data: Any, number: int) -> dict[str, Any]:
    claims = dict(data.get("claims") or {})
    if "email" in claims:
        claims["email"] = [email_of(number)]
    return {"claims": claims}


def write(source: Path, target: Path, session_id: str, first: int, count: int) -> None:
    """Put copies ``first`` … of the session in the state folder ``source`` into that of ``target``.

    In a process of its own, for the store needs a reactor. Raises CalledProcessError.
    """
    what = {"source": str(source), "target": str(target), "id": session_id, "first": first, "count": count}
    command = [sys.executable, "-m", "bench.sessions", json.dumps(what)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent, timeout=120)


async def _write(reactor: Any, what: dict[str, Any]) -> None:
    source, target = Path(what["source"]), Path(what["target"])
    session, user = await _read(reactor, source, what["id"])
    store, threads = _store(reactor, target)
    await store.start()
    numbers = range(what["first"], what["first"] + what["count"])
    if source != target:
        await store.put([Record.new(USER, user.id, user.data), Record.new(SESSION, session.id, session.data)])
    for batch in _batches(session, user, numbers):
        await store.put(batch)
    await store.stop()
    await threads.close()


async def _read(reactor: Any, folder: Path, session_id: str) -> tuple[Record, Record]:
    store, threads = _store(reactor, folder)
    await store.start()
    session = await store.get(SESSION, session_id)
    user = await store.get(USER, str(session.data["user_id"]))
    await store.stop()
    await threads.close()
    return session, user


def _batches(session: Record, user: Record, numbers: range) -> Iterator[list[Record]]:
    size = MAX_BATCH // 2
    for start in range(numbers.start, numbers.stop, size):
        part = range(start, min(start + size, numbers.stop))
        yield [record for number in part for record in copy(session, user, number)]


def _store(reactor: Any, folder: Path) -> tuple[SQLiteStore, Any]:
    from pomerium_tw.transport import Threads  # noqa: PLC0415 - only this process of its own runs a reactor

    threads = Threads(reactor, "bench", 1)
    return SQLiteStore(folder / DATABASE, reactor, threads), threads


def _main(argument: str) -> None:
    from twisted.internet import task  # noqa: PLC0415 - importing it here installs no reactor elsewhere
    from twisted.internet.defer import ensureDeferred  # noqa: PLC0415

    task.react(lambda reactor: ensureDeferred(_write(reactor, json.loads(argument))))


if __name__ == "__main__":
    _main(sys.argv[1])
