"""A sign-in under way lives in one short cookie of the browser that began it, and nowhere else (DESIGN
§7.12)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..token import Sealer, SealError, encode
from .cookies import FLOW_SUFFIX, HOST_PREFIX, cookie_values

FLOW_LIFETIME = 300
"""Seconds that a sign-in may take."""
ROUTE_FLOW_LIFETIME = 2 * FLOW_LIFETIME
"""Seconds for a route host's half: it begins before the sign-in does and ends after it."""
ROUND_SECONDS = 60
"""Seconds within which a browser is expected back that does not keep its session."""
MAX_HELD_FLOWS = 16
"""Flows of one browser that are looked at together: the last ones that it began."""
SINGLE_USE_SECONDS = 360
"""Seconds for which a completed flow's id stays taken: longer than any of its parts stays valid."""


class FlowError(ValueError):
    """The browser does not hold this flow: the text says why."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired
        """It did hold it, and took too long."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in of one browser tab."""

    id: str
    """128 random bits, base64url."""
    values: Mapping[str, str]


class FlowCookies:
    """Writes and reads flow cookies for one path of one service.

    A cookie per flow lets several tabs sign in at once; sealing binds each to its own name and path.
    """

    def __init__(
        self,
        sealer: Sealer,
        cookie_name: str,
        path: str,
        *,
        now: Callable[[], float],
        random: Callable[[int], bytes],
        lifetime: int = FLOW_LIFETIME,
        own_host: bool = False,
    ) -> None:
        """``now`` and ``lifetime`` are in seconds; ``random`` answers that many random bytes.

        ``own_host``: cookies that no sibling host can plant; browsers send such to all paths (RFC 6265bis
        §4.1.3.2), and ``path`` tells them apart by the seal alone.
        """
        self._sealer = sealer
        self._context = path.encode()
        if own_host:
            cookie_name, path = HOST_PREFIX + cookie_name, "/"
        self._prefix = cookie_name + FLOW_SUFFIX
        self._names = re.compile(rf"(?:^|;)[ \t]*{re.escape(self._prefix)}([A-Za-z0-9_-]{{22}})=".encode())
        self._path = path
        self._now = now
        self._random = random
        self._lifetime = lifetime

    def new_id(self) -> str:
        """The id of a flow to come."""
        return encode(self._random(16))

    def begin(self, flow: Flow, *, cross_site_post: bool = False) -> bytes:
        """Set-Cookie that gives the browser its half. ``cross_site_post``: the provider answers by POST."""
        plain = json.dumps({"t": int(self._now()), **flow.values}).encode()
        value = self._sealer.seal(plain, self._context, flow.id.encode())
        same_site = "None" if cross_site_post else "Lax"
        return (
            f"{self._prefix}{flow.id}={value}; Path={self._path}; Max-Age={self._lifetime}; "
            f"Secure; HttpOnly; SameSite={same_site}"
        ).encode()

    def resume(self, cookie: bytes | None, flow_id: str) -> Flow:
        """The flow that this browser began. Raises FlowError when it did not, or too long ago."""
        for value in cookie_values(cookie, self._prefix + flow_id):
            try:
                values = json.loads(self._sealer.open(value, self._context, flow_id.encode()))
            except (SealError, ValueError):
                continue
            if self._now() - int(values.pop("t")) > self._lifetime:
                raise FlowError("the sign-in took too long", expired=True)
            return Flow(flow_id, values)
        raise FlowError("this browser did not begin the sign-in, or no longer knows of it")

    def held(self, cookie: bytes | None) -> list[Flow]:
        """What this browser began and has not ended yet, as far as it is known."""
        flows = []
        for name in self._names.findall(cookie or b"")[-MAX_HELD_FLOWS:]:
            try:
                flows.append(self.resume(cookie, name.decode()))
            except FlowError:
                continue
        return flows

    def end(self, flow_id: str) -> bytes:
        """Set-Cookie that forgets a finished flow."""
        return f"{self._prefix}{flow_id}=; Path={self._path}; Max-Age=0; Secure; HttpOnly".encode()
