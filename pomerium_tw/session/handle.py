"""The session handle: what a browser or program holds of its session (spec/identity §6.3, DESIGN §7.13)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..model import Secret
from ..token import decode, encode

MAX_HANDLE_CHARACTERS = 4096
"""A longer session cookie is nobody's."""

_HEADER = encode(b'{"alg":"HS256","typ":"pomerium-session+jwt"}') + "."
"""What every handle begins with, to the byte: one algorithm, and a ``typ`` that no JWT of another purpose
has (JW-12)."""


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

    # PyJWT takes any JWT of any maker apart: 78 µs. Nobody else writes handles, so it is enough to compare
    # header and signature with the only ones that we would have written: 11 µs. Nothing is read of what is
    # not signed.

    def __init__(self, key: Secret, previous: Sequence[Secret] = (), issuer: str = "") -> None:
        self._macs = [hmac.new(each.reveal(), digestmod="sha256") for each in (key, *previous)]
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
        signed = _HEADER + encode(json.dumps(claims, separators=(",", ":")).encode())
        return f"{signed}.{_signature(self._macs[0], signed)}"

    def decode(self, text: str) -> SessionHandle:
        """The handle. Raises HandleError for anything that we did not write as a handle."""
        if len(text) > MAX_HANDLE_CHARACTERS:
            raise HandleError("too long to be a session handle")
        if not text.isascii() or not text.startswith(_HEADER):
            raise HandleError("a token of another purpose is not a session handle")
        signed, _dot, signature = text.rpartition(".")
        for mac in self._macs:
            if hmac.compare_digest(signature, _signature(mac, signed)):
                return _from_claims(_claims(signed[len(_HEADER) :]))
        raise HandleError("the session handle is not ours or was changed")


def _signature(mac: hmac.HMAC, signed: str) -> str:
    mac = mac.copy()
    mac.update(signed.encode("ascii"))
    return encode(mac.digest())


def _claims(payload: str) -> dict[str, Any]:
    """What one of our keys signed."""
    try:
        claims = json.loads(decode(payload).decode())
    except (ValueError, RecursionError) as error:
        raise HandleError("a session handle that is not JSON") from error
    if not isinstance(claims, dict):
        raise HandleError("a session handle that is not a JSON object")
    return claims


def _from_claims(claims: dict[str, Any]) -> SessionHandle:
    session_id, user_id, idp_id = claims.get("jti"), claims.get("sub"), claims.get("idp_id")
    audience = claims.get("aud")
    if not (
        isinstance(session_id, str) and session_id and isinstance(user_id, str) and isinstance(idp_id, str)
    ):
        raise HandleError("a session handle without an id")
    if not isinstance(audience, list) or not set(map(type, audience)) <= {str}:
        raise HandleError("a session handle whose audience is not a list of hosts")
    issued_at, version = _whole(claims, "iat"), _whole(claims, "databroker_record_version")
    return SessionHandle(session_id, user_id, tuple(audience), idp_id, issued_at, version)


def _whole(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise HandleError(f"a session handle whose {name} is not a whole number")
    return value
