"""The conversation on route hosts: where a sign-in begins and ends, and where a visitor signs out."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import IResource

from ..databroker import LeaseTaken
from ..model import ANONYMOUS, Identity, Reply, Request, redirect
from ..pages import Form, OwnRequest, confirm_sign_out, forward_reply, texts
from ..session import SINGLE_USE_SECONDS, FlowError, HandleError, SessionHandle
from ..token import SignatureError
from .browser import is_own_navigation, is_own_post
from .conversation import Conversation
from .faults import RefusedError, signature_refusal
from .hand_over import open_handle
from .page import NO_STORE, ConversationPage
from .parameters import (
    CALLBACK_PATH,
    FLOW,
    IDP_ID,
    REDIRECT_URI,
    SESSION_ENCRYPTED,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
)
from .redirect_uri import RedirectError
from .sign_in_url import SignInLinks
from .sign_out import sign_out_url


def route_host_resources(conversation: Conversation) -> Mapping[str, IResource]:
    """Path → leaf, for every host of a route."""
    return {
        CALLBACK_PATH: RouteCallbackPage(conversation),
        SIGN_IN_PATH: RouteSignInPage(conversation),
        SIGN_OUT_PATH: RouteSignOutPage(conversation),
    }


def _verified(request: Request, conversation: Conversation) -> dict[str, str]:
    """The parameters of a signed URL that leads back to its own host. Raises RefusedError."""
    try:
        query = conversation.urls.verify(request.url)
    except SignatureError as error:
        raise signature_refusal(error, request) from error
    try:
        authority = conversation.destinations.authority(query.get(REDIRECT_URI, ""))
    except RedirectError as error:
        raise RefusedError(texts.link_not_valid(), str(error)) from error
    if authority != request.authority:
        raise RefusedError(texts.link_not_valid(), "the link leads to another host")
    return query


class RouteCallbackPage(ConversationPage):
    """GET, signed.

    Takes the session that the authenticate host hands over, once, in the browser that asked for it.
    """

    async def answer(self, request: OwnRequest) -> Reply:
        c = self.conversation
        incoming = request.incoming
        query = _verified(incoming, c)
        wanted, flow_id = query[REDIRECT_URI], query.get(FLOW, "")
        try:
            flow = c.route_flows.resume(incoming.head.cookie, flow_id)
            text, handle = open_handle(query.get(SESSION_ENCRYPTED, ""), incoming.authority, flow_id, c)
        except FlowError as error:
            facts = texts.sign_in_expired if error.expired else texts.sign_in_not_ours
            raise RefusedError(facts(wanted), str(error)) from error
        except HandleError as error:
            raise RefusedError(texts.sign_in_not_ours(wanted), str(error)) from error
        try:
            await c.store.acquire_lease(f"callback/{flow.id}", SINGLE_USE_SECONDS)
        except LeaseTaken as error:
            raise RefusedError(texts.sign_in_already_used(wanted), "the hand-over was used before") from error
        await self._arrived(handle)
        headers = (
            (b"Set-Cookie", c.cookies.session(text, incoming.host)),
            (b"Set-Cookie", c.route_flows.end(flow.id)),
            NO_STORE,
        )
        return redirect(wanted, headers=headers)

    async def _arrived(self, handle: SessionHandle) -> None:
        # The session may have been made by another process a moment ago: the next request must find it here.
        await self.conversation.mirror.wait_for(handle.record_version)


class RouteSignInPage(ConversationPage):
    """GET, signed: what :meth:`SignInLinks.login_url` points at."""

    async def answer(self, request: OwnRequest) -> Reply:
        query = _verified(request.incoming, self.conversation)
        reply = SignInLinks(self.conversation).start_for(query[REDIRECT_URI], query.get(IDP_ID, ""))
        if reply is None:
            raise RefusedError(texts.link_not_valid(), "no session is sent to that address")
        return reply


class RouteSignOutPage(ConversationPage):
    """GET: at once for the visitor's own wish, else a question (SE-09). POST, from this host only: at once.

    Clears this host's cookie; the authenticate host, where the browser goes next, ends the session itself.
    """

    methods = ("GET", "POST")

    async def answer(self, request: OwnRequest) -> Reply:
        c = self.conversation
        incoming = request.incoming
        identity = self._identity(incoming)
        posted = incoming.method == "POST"
        if posted and not is_own_post(incoming):
            raise RefusedError(
                texts.bad_request("This form was sent from another site."), "cross-site sign-out"
            )
        if not posted and not is_own_navigation(incoming):
            return confirm_sign_out(identity, Form("Sign out", SIGN_OUT_PATH))
        location = sign_out_url(c, identity.session_id)
        cleared = (b"Set-Cookie", c.cookies.clear_session(incoming.host))
        if posted:
            return forward_reply(location, headers=(cleared,))
        return redirect(location, headers=(cleared, NO_STORE))

    def _identity(self, request: Request) -> Identity:
        c = self.conversation
        if not c.mirror.available:
            return ANONYMOUS  # signing out of this host works even then
        return c.identities.from_cookies(request.head, c.cookies.session_name(request.host), request.host, "")
