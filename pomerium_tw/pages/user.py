"""Who am I: the user page, and the same facts as JSON (spec/identity §5.1, §5.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ..model import Identity, Reply, Request, Session
from .claims import ASSERTION_ENVELOPE, shown_claims
from .errors import handler_reply, unauthenticated_reply
from .facts import Form, Link
from .render import html_reply, json_reply, message_reply
from .resource import OwnRequest, Page
from .texts import nothing_known

ClaimsOf = Callable[[Request, Identity], Mapping[str, Any] | None]
"""The payload of the assertion that an upstream would get; None without a usable subject."""

SIGN_OUT = Form("Sign out", "/.pomerium/sign_out")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time for people and programs."""

    iso: str
    text: str

    @classmethod
    def of(cls, seconds: float) -> Moment:
        """``seconds`` since the epoch; a time out of range is written as the number it is."""
        try:
            moment = datetime.fromtimestamp(int(seconds), UTC)
        except (OverflowError, ValueError, OSError):
            return cls("", str(seconds))
        return cls(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{moment.day} {moment:%B %Y, %H:%M} UTC")


def remaining(seconds: float) -> str:
    """A span of time in its two largest units: "13 hours 59 minutes"."""
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    counted = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    parts = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counted if count]
    return " ".join(parts[:2]) or "less than a minute"


class UserPage(Page):
    """``/.pomerium/``: the account that is signed in and how long it stays so; no tokens, ever (SE-13)."""

    def __init__(
        self,
        clock: IReactorTime,
        sign_in_url: Callable[[Request], str] | None = None,
        sign_out: Callable[[OwnRequest], Form] = lambda _request: SIGN_OUT,
        claims_of: ClaimsOf = lambda _request, identity: identity.claims,
    ) -> None:
        """``sign_in_url``: where a visitor without a session may sign in and come back from; "" is nowhere.

        ``sign_out``: the button's form, for callers that add a token to it. ``claims_of``: names the groups,
        less those that the applications of the same origin must not learn.
        """
        super().__init__()
        self._clock = clock
        self._sign_in_url = sign_in_url
        self._sign_out = sign_out
        self._claims_of = claims_of

    async def get(self, request: OwnRequest) -> Reply:
        session, now = request.identity.session, self._clock.seconds()
        if session is None or session.expires_at <= now:
            return self._signed_out(request)
        claims = shown_claims(request.identity.claims)
        told = self._claims_of(request.incoming, request.identity) or {}
        display_name, email = _display(request.identity, claims)
        return html_reply(
            "user.html",
            host=request.incoming.authority,
            name=display_name,
            email=email,
            user_id=session.user_id,
            initial=(display_name or email or session.user_id or "?")[0].upper(),
            groups=_texts(shown_claims(told).get("groups", ())),
            claims=[(name, _texts(value)) for name, value in claims.items() if name != "groups"],
            **_session_facts(session, now),
            sign_out=self._sign_out(request),
        )

    def _signed_out(self, request: OwnRequest) -> Reply:
        address = self._sign_in_url(request.incoming) if self._sign_in_url else ""
        links = (Link("Sign in", address),) if address else ()
        return message_reply(
            "You are not signed in",
            f"This browser has no session for {request.incoming.authority}.",
            advice="Applications that need one ask you to sign in when you open them.",
            links=links,
        )


class UserDocument(Page):
    """``/.pomerium/user``: the claims that an upstream would be told about the caller, as JSON.

    401 without a session, 404 without a usable subject.
    """

    def __init__(self, clock: IReactorTime, claims_of: ClaimsOf) -> None:
        super().__init__()
        self._clock = clock
        self._claims_of = claims_of

    async def get(self, request: OwnRequest) -> Reply:
        session = request.identity.session
        if session is None or session.expires_at <= self._clock.seconds():
            return unauthenticated_reply(request.incoming)
        claims = self._claims_of(request.incoming, request.identity)
        if not claims or not claims.get("sub"):
            return handler_reply(nothing_known(), request.incoming)
        about = {name: value for name, value in claims.items() if name not in ASSERTION_ENVELOPE}
        return json_reply(shown_claims(about))


def _display(identity: Identity, claims: Mapping[str, Any]) -> tuple[str, str]:
    """Name and e-mail address: the user record's, else the claims'; "" when unknown."""
    name = identity.user.name if identity.user else ""
    return name or _first(claims, "name"), identity.email or _first(claims, "email")


def _first(claims: Mapping[str, Any], name: str) -> str:
    values = _values(claims.get(name, ()))
    return str(values[0]) if values else ""


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _texts(value: Any) -> list[str]:
    """Strings as they are, everything else as in JSON."""
    return [item if isinstance(item, str) else json.dumps(item, default=str) for item in _values(value)]


def _session_facts(session: Session, now: float) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "signed_in_at": Moment.of(session.issued_at),
        "expires_at": Moment.of(session.expires_at),
        "remaining": remaining(session.expires_at - now),
    }
