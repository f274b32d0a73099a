"""``/.pomerium/sign_in`` of the authenticate host: hands over the session there is, or begins a sign-in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..identity import Beginning, FormPost, IIdentityProvider, OwnPage, ProviderError, Redirect, SignInStart
from ..model import Identity, Reply, Request, Secret, redirect
from ..pages import (
    CONTENT_SECURITY_POLICY,
    Form,
    OwnRequest,
    message_reply,
    texts,
    unauthenticated_reply,
    wants_redirect,
)
from ..session import Flow
from ..token import SignatureError, encode
from .conversation import Conversation
from .faults import RefusedError, provider_refusal, signature_refusal, unreferred
from .hand_over import HandOver
from .page import NO_STORE, ConversationPage
from .parameters import FLOW, IDP_ID, REDIRECT_URI, STARTED
from .redirect_uri import MAX_REDIRECT_CHARACTERS, host_of
from .rounds import next_round
from .state import SignInState

NONCE_BYTES = 16
VERIFIER_BYTES = 32
"""43 characters: the shortest verifier that RFC 7636 §4.1 allows has 256 random bits."""

_FLOW_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What a proxy asks for."""

    redirect_uri: str
    idp_id: str
    route_flow_id: str
    """"" where the route's host shares the cookie of the domain."""
    started: float
    """When the browser was sent here, in seconds since the epoch."""


def read_sign_in_request(request: Request, conversation: Conversation) -> SignInRequest:
    """The request behind a signed URL. The signature is looked at before anything else.

    Raises RefusedError.
    """
    try:
        query = conversation.urls.verify(request.url)
    except SignatureError as error:
        raise signature_refusal(error, request) from error
    try:
        asked = SignInRequest(
            query.get(REDIRECT_URI, ""),
            query.get(IDP_ID, ""),
            query.get(FLOW, ""),
            int(query[STARTED]) / 1000 if STARTED in query else conversation.now(),
        )
        authority = conversation.destinations.authority(asked.redirect_uri)
    except ValueError as error:
        raise RefusedError(texts.link_not_valid(), str(error)) from error
    shared = conversation.cookies.covers(host_of(authority))
    complete = shared or _FLOW_ID.fullmatch(asked.route_flow_id)
    if not complete or len(asked.redirect_uri) > MAX_REDIRECT_CHARACTERS:
        raise RefusedError(texts.link_not_valid(), "the sign-in link is incomplete or too long")
    return asked


class SignInPage(ConversationPage):
    """GET, signed. Redirects to the route host, or to the provider."""

    async def answer(self, request: OwnRequest) -> Reply:
        incoming = request.incoming
        asked = read_sign_in_request(incoming, self.conversation)
        if not wants_redirect(incoming):
            return unreferred(unauthenticated_reply(incoming))
        identity = signed_in(incoming, asked.idp_id, self.conversation)
        if identity is not None and identity.named is not None:
            counted = next_round(incoming, asked.redirect_uri, asked.started, self.conversation)
            hand_over = HandOver(identity.named, asked.redirect_uri, asked.route_flow_id)
            location, cookies = hand_over.step(self.conversation)
            return redirect(location, headers=(*cookies, *counted, NO_STORE))
        provider = self.conversation.providers.get(asked.idp_id)
        if provider is None:
            reason = f"no provider has the id {asked.idp_id!r}: are proxy and authenticate configured alike?"
            raise RefusedError(texts.link_not_valid(asked.redirect_uri), reason)
        return await begin_sign_in(provider, asked, self.conversation)


def signed_in(request: Request, idp_id: str, conversation: Conversation) -> Identity | None:
    """Who holds a valid session of the authenticate host from exactly this provider ("" for any)."""
    c = conversation
    identity = c.identities.from_cookies(
        request.head, c.cookies.authenticate_name, c.authenticate_host, idp_id
    )
    if identity.named is None or (idp_id and identity.named.idp_id != idp_id):
        return None
    return identity


async def begin_sign_in(
    provider: IIdentityProvider, asked: SignInRequest, conversation: Conversation
) -> Reply:
    """Gives the browser its half of a new flow and sends it to the provider. Raises RefusedError."""
    c = conversation
    flow = Flow(
        c.login_flows.new_id(),
        {"nonce": encode(c.random(NONCE_BYTES)), "verifier": encode(c.random(VERIFIER_BYTES))},
    )
    state = SignInState(flow.id, asked.redirect_uri, asked.idp_id, c.now(), asked.route_flow_id)
    start = sign_in_start(flow, state.seal(c.keys.state, c.authenticate_host), c)
    try:
        beginning = await provider.begin(start)
    except ProviderError as error:
        raise provider_refusal(error, asked.redirect_uri) from error
    cookie = c.login_flows.begin(flow, cross_site_post=provider.posts_callback)
    return _first_step(beginning, provider.name).with_headers([(b"Set-Cookie", cookie)])


def sign_in_start(flow: Flow, state: str, conversation: Conversation) -> SignInStart:
    """What the provider is told, at the beginning and again at the end."""
    return SignInStart(
        state=state,
        nonce=flow.values["nonce"],
        code_verifier=Secret(flow.values["verifier"]),
        redirect_uri=conversation.provider_callback,
    )


def _first_step(beginning: Beginning, name: str) -> Reply:
    match beginning:
        case Redirect(url):
            return redirect(url, headers=(NO_STORE,))
        case OwnPage(reply):
            return reply
        case FormPost(url, fields):
            return _form_to(url, Form("Continue", url, tuple(fields.items())), name)


def _form_to(url: str, form: Form, name: str) -> Reply:
    reply = message_reply("Sign in", f"You sign in at {name}.", advice="Continue there.", forms=(form,))
    parts = urlsplit(url)
    target = f"form-action 'self' {parts.scheme}://{parts.netloc}".encode("ascii")
    # This one page may send its form elsewhere: to the provider that the settings name.
    policy = CONTENT_SECURITY_POLICY.replace(b"form-action 'self'", target)
    headers = ((name, policy if value == CONTENT_SECURITY_POLICY else value) for name, value in reply.headers)
    return reply._replace(headers=tuple(headers))
