"""The session handle: what a browser or program holds of its session (spec/identity §6.3, DESIGN §7.13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jwt

from ..model import Secret

ALGORITHM = "HS256"
TYPE = "pomerium-session+jwt"
"""``typ`` of our handles: a JWT of another purpose is never a handle (JW-12)."""
MAX_HANDLE_CHARACTERS = 4096


class HandleError(ValueError):
    """The text is not a handle that we issued."""


@dataclass(frozen=True, slots=True)
class SessionHandle:
    """A reference to a session record; it carries no rights of its own."""

    id: str
    """Session id (``jti``)."""
    user_id: str
    audience: tuple[str, ...]
    """Host names that may present it; one with a dot in front stands for a domain and all hosts in it."""
    idp_id: str
    issued_at: int
    """Seconds since the epoch."""
    record_version: int
    """Version of the session record when the handle was made: older copies must not answer for it (§6.6)."""

    def good_at(self, host: str) -> bool:
        """Whether ``host`` may present it."""
        return host in self.audience or any(
            each.startswith(".") and (host == each[1:] or host.endswith(each)) for each in self.audience
        )


class HandleCodec:
    """Writes and reads handles as HS256 JWTs under a sub-key; older keys still read what they wrote.

    There is no ``exp``: the record decides how long a session lives.
    """

    def __init__(self, key: Secret, previous: Sequence[Secret] = (), issuer: str = "") -> None:
        self._keys = (key, *previous)
        self._issuer = issuer

    def encode(self, handle: SessionHandle) -> str:
        claims = {
            "iss": self._issuer,
            "sub": handle.user_id,
            "aud": list(handle.audience),
            "iat": handle.issued_at,
            "jti": handle.id,
            "idp_id": handle.idp_id,
            "databroker_record_version": handle.record_version,
        }
        return jwt.encode(claims, self._keys[0].reveal(), ALGORITHM, headers={"typ": TYPE})

    def decode(self, text: str) -> SessionHandle:
        """The handle. Raises HandleError for anything that we did not write as a handle."""
        if len(text) > MAX_HANDLE_CHARACTERS:
            raise HandleError("too long to be a session handle")
        for key in self._keys:
            try:
                token = jwt.decode_complete(
                    text,
                    key.reveal(),
                    [ALGORITHM],
                    options={
                        "verify_aud": False,
                        "verify_exp": False,
                        "verify_iat": False,
                        "verify_nbf": False,
                    },
                )
            except (jwt.PyJWTError, ValueError, RecursionError):
                continue
            return _from_claims(token["header"], token["payload"])
        raise HandleError("the session handle is not ours or was changed")


def _from_claims(header: dict[str, object], claims: dict[str, object]) -> SessionHandle:
    if header.get("typ") != TYPE:
        raise HandleError("a token of another purpose is not a session handle")
    session_id, user_id, idp_id = claims.get("jti"), claims.get("sub"), claims.get("idp_id")
    audience = claims.get("aud")
    if not (
        isinstance(session_id, str) and session_id and isinstance(user_id, str) and isinstance(idp_id, str)
    ):
        raise HandleError("a session handle without an id")
    if not isinstance(audience, list) or not all(isinstance(host, str) for host in audience):
        raise HandleError("a session handle whose audience is not a list of hosts")
    issued_at, version = _whole(claims, "iat"), _whole(claims, "databroker_record_version")
    return SessionHandle(session_id, user_id, tuple(audience), idp_id, issued_at, version)


def _whole(claims: dict[str, object], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise HandleError(f"a session handle whose {name} is not a whole number")
    return value
