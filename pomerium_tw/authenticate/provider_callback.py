"""``/oauth2/callback`` of the authenticate host.

The provider's answer becomes a session (spec/identity §3.1 step 5).
"""

from __future__ import annotations

from twisted.logger import Logger

from ..databroker import LeaseTaken, StoreError
from ..identity import ProviderError, ProviderIdentity
from ..model import Reply, Request, redirect
from ..pages import OwnRequest, forward_reply, texts
from ..session import SINGLE_USE_SECONDS, Flow, FlowError
from .browser import is_page_load
from .faults import RefusedError, provider_refusal, store_refusal, unreferred
from .hand_over import HandOver, handle_for
from .page import NO_STORE, ConversationPage
from .rounds import next_round
from .sessions import begin_session, end_sessions, sessions_beside
from .sign_in import sign_in_start
from .state import SignInState, StateError

log = Logger("pomerium.authenticate")

MAX_PARAMETER_CHARACTERS = 8192
"""Longest value of one parameter of a provider's answer."""


class ProviderCallbackPage(ConversationPage):
    """GET or POST. State first, then the browser, then single use.

    Only then is the provider asked anything.
    """

    methods = ("GET", "POST")

    async def answer(self, request: OwnRequest) -> Reply:
        c = self.conversation
        if not is_page_load(request.incoming):
            raise RefusedError(texts.sign_in_not_ours(), "the callback is no page that is opened")
        state_text = request.parameter("state")
        state = self._state(state_text)
        restart = state.redirect_uri
        flow = self._flow(request.incoming, state)
        # Before anything is spent: who is refused here may come again.
        counted = next_round(request.incoming, restart, state.issued_at, c)
        try:
            await c.store.acquire_lease(f"login/{flow.id}", SINGLE_USE_SECONDS)
        except LeaseTaken as error:
            raise RefusedError(texts.sign_in_already_used(restart), "the state was used before") from error
        identity = await self._complete(request, state_text, state, flow)
        try:
            reply = await self._signed_in(request.incoming, identity, state, flow)
        except StoreError as error:
            raise store_refusal(error, restart) from error
        return reply.with_headers(counted)

    def _state(self, text: str) -> SignInState:
        c = self.conversation
        if not text:
            raise RefusedError(texts.sign_in_not_ours(), "the callback has no single state")
        try:
            state = SignInState.open(text, c.keys.state, c.authenticate_host)
        except StateError as error:
            raise RefusedError(texts.sign_in_not_ours(), str(error)) from error
        if state.expired(c.now()):
            raise RefusedError(
                texts.sign_in_expired(state.redirect_uri), "the state is older than five minutes"
            )
        return state

    def _flow(self, request: Request, state: SignInState) -> Flow:
        try:
            return self.conversation.login_flows.resume(request.head.cookie, state.flow_id)
        except FlowError as error:
            facts = texts.sign_in_expired if error.expired else texts.sign_in_not_ours
            raise RefusedError(facts(state.redirect_uri), str(error)) from error

    async def _complete(
        self, request: OwnRequest, state_text: str, state: SignInState, flow: Flow
    ) -> ProviderIdentity:
        provider = self.conversation.providers.get(state.idp_id)
        if provider is None:
            raise RefusedError(
                texts.sign_in_failed(restart_url=state.redirect_uri), "the provider is gone from the settings"
            )
        try:
            return await provider.complete(
                _parameters(request), sign_in_start(flow, state_text, self.conversation)
            )
        except ProviderError as error:
            raise provider_refusal(error, state.redirect_uri) from error

    async def _signed_in(
        self, request: Request, identity: ProviderIdentity, state: SignInState, flow: Flow
    ) -> Reply:
        c = self.conversation
        beside, replaced = sessions_beside(request, identity.user_id, state, flow, c)
        session = await begin_session(c, identity, state.idp_id, flow, beside)
        await end_sessions(c, replaced)
        log.info(
            "{user} signed in with {provider}",
            user=session.user_id,
            provider=c.providers[state.idp_id].name,
            request_id=request.id,
        )
        own = c.codec.encode(handle_for(session, (c.authenticate_host,), c))
        location, cookies = HandOver(session, state.redirect_uri, state.route_flow_id).step(c)
        headers = (
            (b"Set-Cookie", c.cookies.authenticate(own)),
            (b"Set-Cookie", c.login_flows.end(state.flow_id)),
            *cookies,
        )
        if request.method == "POST":
            return unreferred(forward_reply(location, headers=headers))
        return redirect(location, headers=(*headers, NO_STORE))


def _parameters(request: OwnRequest) -> dict[str, str]:
    """What the provider sent; a parameter that occurs twice or is too long is as good as absent."""
    names = [name.decode("latin-1") for name in request.parameters]
    values = {name: request.parameter(name) for name in names if name.isascii()}
    return {name: value for name, value in values.items() if 0 < len(value) <= MAX_PARAMETER_CHARACTERS}
