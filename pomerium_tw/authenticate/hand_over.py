"""From the authenticate host to the page that was asked for, with a session (spec/identity §3.1 steps 6, 7).

Where both hosts share the cookie of ``cookie_domain``, the authenticate host sets it, and nothing is handed
over: whoever owns one host of the domain may learn the addresses that browsers are sent to there. Elsewhere
a handle for that one host travels in an address that its callback takes.
"""

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
    """What gives the host that ``redirect_uri`` is on a session."""

    session: Session
    redirect_uri: str
    route_flow_id: str
    """"" where the host shares the cookie of the domain."""

    def step(self, conversation: Conversation) -> tuple[str, tuple[tuple[bytes, bytes], ...]]:
        """Where the browser goes next, and the cookies that it gets first. Raises RedirectError."""
        c = conversation
        authority = c.destinations.authority(self.redirect_uri)
        host = host_of(authority)
        if not c.cookies.covers(host):
            return self._callback(authority, c), ()
        handle = c.codec.encode(handle_for(self.session, (f".{c.cookies.domain}",), c))
        return self.redirect_uri, ((b"Set-Cookie", c.cookies.session(handle, host)),)

    def _callback(self, authority: str, conversation: Conversation) -> str:
        """The signed address on the route host that sets its cookie."""
        handle = handle_for(self.session, (host_of(authority),), conversation)
        sealed = conversation.keys.hand_over.seal(
            conversation.codec.encode(handle).encode(),
            _CONTEXT,
            authority.encode(),
            self.route_flow_id.encode(),
        )
        parameters = {SESSION_ENCRYPTED: sealed, REDIRECT_URI: self.redirect_uri, FLOW: self.route_flow_id}
        return conversation.urls.sign(f"https://{authority}{CALLBACK_PATH}", parameters)


def handle_for(session: Session, audience: tuple[str, ...], conversation: Conversation) -> SessionHandle:
    """A handle of the session that is good at the hosts of ``audience`` alone."""
    return SessionHandle(
        session.id, session.user_id, audience, session.idp_id, int(conversation.now()), session.version
    )


def open_handle(
    sealed: str, authority: str, route_flow_id: str, conversation: Conversation
) -> tuple[str, SessionHandle]:
    """The handle, as text and read. Raises HandleError unless it was sealed for this host and sign-in."""
    host = host_of(authority)
    if conversation.cookies.covers(host):
        raise HandleError("sessions of cookie_domain are not handed over")
    try:
        plain = conversation.keys.hand_over.open(sealed, _CONTEXT, authority.encode(), route_flow_id.encode())
    except SealError as error:
        raise HandleError("the session was not handed over to this host and sign-in") from error
    text = plain.decode("ascii")
    handle = conversation.codec.decode(text)
    if handle.audience != (host,):
        raise HandleError("the session handle is for another host")
    return text, handle
