"""Session and user records of the databroker as values, and back (spec/identity §6.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..databroker import DIRECTORY_USER, SESSION, USER, Record
from ..identity import Tokens
from ..model import NO_CLAIMS, Claims, Secret, Session, User
from ..token import Sealer, SealError

TOKENS_CONTEXT = b"session tokens"
_LISTS = (list, tuple)
SIGN_IN_SOURCE = "sign-in"
"""``source`` of directory records that a sign-in wrote."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a completed sign-in leaves behind, before it is stored."""

    session_id: str
    user_id: str
    idp_id: str
    claims: Claims
    name: str
    email: str
    tokens: Tokens
    issued_at: float
    expires_at: float
    audience: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    """Ids of the groups that the provider named; None where it says nothing of groups."""
    beside: tuple[str, ...] = ()
    """Ids of other sessions of the same browser, which end with this one when its visitor signs out."""


def sign_in_records(sign_in: SignIn, sealer: Sealer) -> tuple[Record, Record]:
    """The user record and the session record of a sign-in, in the order in which they must be written."""
    claims = {name: list(values) for name, values in sign_in.claims.items()}
    user = {"id": sign_in.user_id, "name": sign_in.name, "email": sign_in.email, "claims": claims}
    session = {
        "id": sign_in.session_id,
        "user_id": sign_in.user_id,
        "idp_id": sign_in.idp_id,
        "issued_at": sign_in.issued_at,
        "accessed_at": sign_in.issued_at,
        "expires_at": sign_in.expires_at,
        "audience": list(sign_in.audience),
        "claims": claims,
        "tokens": seal_tokens(sign_in.tokens, sealer, sign_in.session_id),
    }
    if sign_in.beside:
        session["beside"] = list(sign_in.beside)
    return Record.new(USER, sign_in.user_id, user), Record.new(SESSION, sign_in.session_id, session)


def directory_record(sign_in: SignIn, known: Record | None) -> Record | None:
    """The user's directory record after a sign-in, or None to leave it as it is (DESIGN §7.14).

    ``known``: the present one. One that did not come from a sign-in is a directory provider's. Groups that
    the provider names no more are taken back.
    """
    if known is not None and known.data.get("source") != SIGN_IN_SOURCE:
        return None
    if sign_in.groups is None and known is None:
        return None
    ids = list(dict.fromkeys(sign_in.groups or ()))
    if known is not None and known.data.get("group_ids") == ids:
        return None
    data = {"id": sign_in.user_id, "group_ids": ids, "source": SIGN_IN_SOURCE}
    return Record.new(DIRECTORY_USER, sign_in.user_id, data)


def seal_tokens(tokens: Tokens, sealer: Sealer, session_id: str) -> dict[str, Any]:
    """The provider's tokens as they are stored: each sealed, bound to its session and its kind."""
    sealed = {
        kind: sealer.seal(token.reveal(), TOKENS_CONTEXT, session_id.encode(), kind.encode())
        for kind, token in _by_kind(tokens).items()
        if token
    }
    return {**sealed, "expires_at": tokens.expires_at}


def open_tokens(record: Record, sealer: Sealer) -> Tokens | None:
    """The tokens of a session record; None when it has none or they cannot be opened any more."""
    stored = record.data.get("tokens")
    if not isinstance(stored, Mapping):
        return None
    opened: dict[str, str] = {}
    for kind in _by_kind(Tokens()):
        sealed = stored.get(kind)
        try:
            plain = (
                sealer.open(str(sealed), TOKENS_CONTEXT, record.id.encode(), kind.encode()) if sealed else b""
            )
            opened[kind] = plain.decode()
        except (SealError, UnicodeDecodeError):
            return None
    try:
        expires_at = number_of(stored, "expires_at")
    except (KeyError, TypeError, ValueError):
        expires_at = None
    return Tokens.from_text(**opened, expires_at=expires_at)


def _by_kind(tokens: Tokens) -> dict[str, Secret]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "id_token": tokens.id_token,
    }


def session_of(record: Record) -> Session:
    """The session without its tokens.

    Raises KeyError, TypeError or ValueError for a record that is not one.
    """
    data = record.data
    return Session(
        id=record.id,
        user_id=text_of(data, "user_id"),
        idp_id=text_of(data, "idp_id"),
        issued_at=number_of(data, "issued_at"),
        expires_at=number_of(data, "expires_at"),
        claims=_claims(data),
        version=record.version,
        audience=texts_of(data, "audience"),
    )


def beside_of(record: Record) -> tuple[str, ...]:
    """Ids of the sessions that end with this one; none if they cannot be read: signing out must work."""
    try:
        return texts_of(record.data, "beside")
    except TypeError:
        return ()


def device_credentials(session: Record) -> dict[str, str]:
    """Device type → id of the session's first credential of that type (spec/identity §6.4).

    Types whose first credential is unavailable are left out. Raises KeyError or TypeError for entries that
    are none.
    """
    first: dict[str, str] = {}
    for entry in _list_of(session.data, "device_credentials"):
        first.setdefault(text_of(entry, "type_id"), text_of(entry, "id", ""))
    return {kind: credential_id for kind, credential_id in first.items() if credential_id}


def user_of(record: Record) -> User:
    """The user of a record. Raises TypeError for a record that is not one."""
    data = record.data
    return User(
        id=record.id,
        name=text_of(data, "name", ""),
        email=text_of(data, "email", ""),
        claims=_claims(data),
        version=record.version,
    )


# Others may write records too. What is not of its field's kind is not made fit: of a text, groups would
# become letters, and no time is ever past "nan". Where a field may be absent, null says that it is.


def text_of(data: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text of a record; ``default``, if there is one, for none.

    Raises TypeError for another kind, KeyError if absent without a ``default``.
    """
    value = data[name] if default is None else data.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise TypeError(f"{name} of a record is no text")
    return value


def texts_of(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts of a record, empty if absent. Raises TypeError for another kind."""
    values = _list_of(data, name)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} of a record holds what is no text")
    return tuple(values)


def number_of(data: Mapping[str, Any], name: str) -> float:
    """A finite number of a record.

    Raises TypeError for another kind, ValueError for a number without end, KeyError if absent.
    """
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} of a record is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} of a record is no finite number")
    return number


def _list_of(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    values = data.get(name)
    if values is None:
        return ()
    if not isinstance(values, _LISTS):
        raise TypeError(f"{name} of a record is no list")
    return values


def _claims(data: Mapping[str, Any]) -> Claims:
    stored = data.get("claims")
    if stored is None:
        return NO_CLAIMS
    if not isinstance(stored, Mapping):
        raise TypeError("claims of a record are no object")
    return _StoredClaims(stored)


class _StoredClaims(Mapping[str, tuple[Any, ...]]):
    """The claims of a record where they lie: lists there, tuples here. What is no list is no claim.

    Few of them are ever asked for. Copying all of them made a request of a new caller 40 µs dearer: each was
    fetched from memory, and the garbage collector had thirty objects more to look after.
    """

    __slots__ = ("_stored",)

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        values = self._stored[name]
        if not isinstance(values, _LISTS):
            raise KeyError(name)
        return tuple(values)

    def get(self, name: str, default: Any = None) -> Any:
        # Every assertion asks; the inherited one raises and catches a KeyError where there is no such claim.
        values = self._stored.get(name)
        return tuple(values) if isinstance(values, _LISTS) else default

    def __iter__(self) -> Iterator[str]:
        return (name for name, values in self._stored.items() if isinstance(values, _LISTS))

    def __len__(self) -> int:
        return sum(1 for _name in self)

    def __repr__(self) -> str:
        return repr(dict(self))
