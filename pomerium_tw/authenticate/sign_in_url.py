"""How a sign-in begins at a route host.

A signed link to the authenticate service, and the browser's half in a cookie.
"""

from __future__ import annotations

from ..model import Reply, Request, redirect
from ..pages import handler_reply, texts
from ..session import Flow
from .conversation import Conversation
from .destinations import ANYBODYS
from .parameters import FLOW, IDP_ID, REDIRECT_URI, SIGN_IN_PATH, STARTED
from .redirect_uri import MAX_REDIRECT_CHARACTERS, RedirectError, host_of, redirect_authority

SAFE_METHODS = frozenset({"GET", "HEAD"})


class SignInLinks:
    """Sends visitors of route hosts to sign in."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def start(self, request: Request, idp_id: str) -> Reply:
        """302 to the authenticate service, which will send the browser back to the page asked for.

        For visitors whom a redirect helps (``pages.wants_redirect``); others get :meth:`login_url`. A host or
        port that no session is sent to gets a page that says so.
        """
        reply = self.start_for(_destination(request), idp_id)
        if reply is not None:
            return reply
        refusal = self._conversation.destinations.refusal(request.authority)
        advice = f"Open https://{request.host}/ instead."
        if refusal == ANYBODYS:
            advice = "Tell the people who run this service: a route has to name this host, or its domain."
        message = f"Nobody can be signed in at {request.authority}: {refusal}."
        return handler_reply(texts.bad_request(message, advice), request)

    def start_for(self, destination: str, idp_id: str) -> Reply | None:
        """As :meth:`start`, with the address to come back to; None where no session may be sent.

        It must be an address of the host that answers.
        """
        c = self._conversation
        authority = redirect_authority(destination)
        if authority not in c.destinations:
            return None
        parameters = {REDIRECT_URI: destination, IDP_ID: idp_id, STARTED: str(int(c.now() * 1000))}
        headers = [(b"Cache-Control", b"no-store")]
        # The cookie of the domain is the authenticate host's to set: nothing comes back here to be bound.
        if not c.cookies.covers(host_of(authority)):
            flow = Flow(c.route_flows.new_id(), {})
            parameters[FLOW] = flow.id
            headers.append((b"Set-Cookie", c.route_flows.begin(flow)))
        return redirect(c.urls.sign(c.authenticate_url + SIGN_IN_PATH, parameters), headers=headers)

    def login_url(self, request: Request, idp_id: str) -> str:
        """An address on the same host that begins a sign-in: for programs and scripts that got 401.

        It leads back to the page that the script runs in. Five minutes good; "" where no session may be sent.
        """
        if request.authority not in self._conversation.destinations:
            return ""
        parameters = {REDIRECT_URI: _page_of_script(request), IDP_ID: idp_id}
        return self._conversation.urls.sign(f"https://{request.authority}{SIGN_IN_PATH}", parameters)


def _destination(request: Request) -> str:
    """The page asked for; where it cannot be asked for again, the application's first page."""
    if request.method in SAFE_METHODS and _fits(request.url, request):
        return request.url
    return f"https://{request.authority}/"


def _page_of_script(request: Request) -> str:
    referer = request.head.text(b"referer")
    return referer if _fits(referer, request) else f"https://{request.authority}/"


def _fits(uri: str, request: Request) -> bool:
    try:
        return len(uri) <= MAX_REDIRECT_CHARACTERS and redirect_authority(uri) == request.authority
    except RedirectError:
        return False
