"""Passing a session from the authenticate host to one route host (spec/identity §3.1 steps 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Session
from ..session import HandleError, SessionHandle
from ..token import SealError
from .conversation import Conversation
from .parameters import CALLBACK_PATH, FLOW, REDIRECT_URI, SESSION_ENCRYPTED
from .redirect_uri import host_of

_CONTEXT = b"hand-over"


@dataclass(frozen=True, slots=True)
class HandOver:
    """A session handle for the one host that ``redirect_uri`` is on."""

    session: Session
    redirect_uri: str
    route_flow_id: str

    def url(self, conversation: Conversation) -> str:
        """The signed address on the route host that sets its cookie. Raises RedirectError."""
        authority = conversation.destinations.authority(self.redirect_uri)
        handle = handle_for(self.session, _audience(host_of(authority), conversation), conversation)
        sealed = conversation.keys.hand_over.seal(
            conversation.codec.encode(handle).encode(),
            _CONTEXT,
            authority.encode(),
            self.route_flow_id.encode(),
        )
        parameters = {SESSION_ENCRYPTED: sealed, REDIRECT_URI: self.redirect_uri, FLOW: self.route_flow_id}
        return conversation.urls.sign(f"https://{authority}{CALLBACK_PATH}", parameters)


def _audience(host: str, conversation: Conversation) -> tuple[str, ...]:
    """The host alone, or the whole ``cookie_domain`` where the cookie is good for that too."""
    domain = conversation.cookies.domain.lstrip(".")
    return (f".{domain}",) if domain and (host == domain or host.endswith(f".{domain}")) else (host,)


def handle_for(session: Session, audience: tuple[str, ...], conversation: Conversation) -> SessionHandle:
    """A handle of the session that is good at the hosts of ``audience`` alone."""
    return SessionHandle(
        session.id, session.user_id, audience, session.idp_id, int(conversation.now()), session.version
    )


def open_handle(
    sealed: str, authority: str, route_flow_id: str, conversation: Conversation
) -> tuple[str, SessionHandle]:
    """The handle, as text and read. Raises HandleError unless it was sealed for this host and sign-in."""
    try:
        plain = conversation.keys.hand_over.open(sealed, _CONTEXT, authority.encode(), route_flow_id.encode())
    except SealError as error:
        raise HandleError("the session was not handed over to this host and sign-in") from error
    text = plain.decode("ascii")
    handle = conversation.codec.decode(text)
    if handle.audience != _audience(host_of(authority), conversation):
        raise HandleError("the session handle is for another host")
    return text, handle
