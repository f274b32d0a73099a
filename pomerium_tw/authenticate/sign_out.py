"""``/.pomerium/sign_out`` of the authenticate host.

Ends the session here, in the databroker and at the provider.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, gatherResults

from ..model import ANONYMOUS, Identity, Reply, redirect
from ..pages import Form, Link, OwnRequest, confirm_sign_out, forward_reply, texts
from ..token import SealError, SignatureError
from .browser import is_beforehand, is_own_navigation, is_own_post
from .conversation import Conversation
from .faults import RefusedError
from .page import NO_STORE, ConversationPage
from .parameters import REDIRECT_URI, SIGN_OUT_PATH, SIGN_OUT_SESSION, SIGNED_OUT_PATH
from .redirect_uri import RedirectError, redirect_authority
from .rounds import forget_rounds
from .sessions import end_sessions, leave_provider, with_beside
from .sign_in import signed_in

_CONTEXT = b"sign-out"


def sign_out_url(conversation: Conversation, session_id: str) -> str:
    """Where a route host sends a visitor who signs out of ``session_id`` ("" when he has none there)."""
    c = conversation
    parameters = {}
    if c.signout_redirect_url:
        parameters[REDIRECT_URI] = c.signout_redirect_url
    if session_id:
        parameters[SIGN_OUT_SESSION] = c.keys.sign_out.seal(session_id.encode(), _CONTEXT)
    return c.urls.sign(c.authenticate_url + SIGN_OUT_PATH, parameters)


class SignOutPage(ConversationPage):
    """GET: at once for a visitor's own wish, else a question (SE-09). POST, from this host only: at once."""

    methods = ("GET", "POST")

    async def answer(self, request: OwnRequest) -> Reply:
        c = self.conversation
        incoming = request.incoming
        identity = signed_in(incoming, "", c)
        own = identity.session_id if identity is not None else ""
        if incoming.method == "POST":
            if not is_own_post(incoming):
                raise RefusedError(
                    texts.bad_request("This form was sent from another site."), "cross-site sign-out"
                )
            sessions = (own, self._named(request.parameter(SIGN_OUT_SESSION)))
            return await self._sign_out(sessions, c.signout_redirect_url, posted=True)
        query = self._verified(request)
        if query is None:
            if is_own_navigation(incoming):
                return await self._sign_out((own,), c.signout_redirect_url)
            return _ask(identity or ANONYMOUS, incoming.authority)
        sealed = query.get(SIGN_OUT_SESSION, "")
        named = self._named(sealed)
        if (own and not self._in_one_browser(own, named)) or is_beforehand(incoming):
            return _ask(identity or ANONYMOUS, incoming.authority, sealed)
        return await self._sign_out((own, named), query.get(REDIRECT_URI, ""))

    def _verified(self, request: OwnRequest) -> dict[str, str] | None:
        """The parameters of a signed link; None for a bare one, or one that is merely old.

        Raises RefusedError.
        """
        if not request.incoming.target.query:
            return None
        try:
            query = self.conversation.urls.verify(request.incoming.url)
            if REDIRECT_URI in query:
                redirect_authority(query[REDIRECT_URI], ("https", "http"))
        except SignatureError as error:
            if error.expired:
                return None
            raise RefusedError(texts.link_not_valid(), str(error)) from error
        except RedirectError as error:
            raise RefusedError(texts.link_not_valid(), str(error)) from error
        return query

    def _named(self, sealed: str) -> str:
        try:
            return self.conversation.keys.sign_out.open(sealed, _CONTEXT).decode()
        except SealError:
            return ""

    def _in_one_browser(self, own: str, named: str) -> bool:
        c = self.conversation
        return named in with_beside(c, (own,)) or own in with_beside(c, (named,))

    async def _sign_out(self, session_ids: Iterable[str], wanted: str, *, posted: bool = False) -> Reply:
        """Ends each of the sessions, and all of their browser; "" is none."""
        c = self.conversation
        landing = wanted or c.authenticate_url + SIGNED_OUT_PATH
        ended = await end_sessions(c, with_beside(c, session_ids))
        left = [Deferred.fromCoroutine(leave_provider(c, record, landing)) for record in ended]
        elsewhere = next(filter(None, await gatherResults(left)), None)
        cleared = ((b"Set-Cookie", c.cookies.clear_authenticate()), (b"Set-Cookie", forget_rounds(c)))
        if posted:
            return forward_reply(elsewhere or landing, headers=cleared)
        return redirect(elsewhere or landing, headers=(*cleared, NO_STORE))


def _ask(identity: Identity, authority: str, sealed: str = "") -> Reply:
    """``sealed``: the session that the link names; a "yes" ends it along with the visitor's own."""
    stay = Link("Stay signed in", f"https://{authority}/.pomerium/")
    fields = ((SIGN_OUT_SESSION, sealed),) if sealed else ()
    return confirm_sign_out(identity, Form("Sign out", SIGN_OUT_PATH, fields), stay=stay)
