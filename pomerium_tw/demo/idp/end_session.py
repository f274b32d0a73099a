"""The browser's way out (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import Resource
from twisted.web.server import Request

from pomerium_tw.demo.web import html, see_other

from .browser import PendingSignOut
from .clients import Client
from .core import Core
from .id_tokens import Hint
from .messages import MalformedRequestError, form_fields, query_fields, with_parameters


class EndSession(Resource):
    """``/end-session``: signs out when a fitting ID token is shown, else asks the person first."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def render_GET(self, request: Request) -> bytes:
        try:
            return self._begin(request, query_fields(request))
        except MalformedRequestError as error:
            return _page_error(request, str(error))

    def render_POST(self, request: Request) -> bytes:
        try:
            fields = form_fields(request)
            return self._confirmed(request, fields) if "form" in fields else self._begin(request, fields)
        except MalformedRequestError as error:
            return _page_error(request, str(error))

    def _begin(self, request: Request, fields: Mapping[str, str]) -> bytes:
        hint = self._core.id_tokens.read_hint(fields.get("id_token_hint", ""))
        client = self._client(fields, hint)
        redirect_uri = _registered_target(client, fields)
        session = self._core.browsers.session(request)
        if session is None or session.subject == hint.subject:
            return self._sign_out(request, redirect_uri)
        browser = self._core.browsers.ensure(request)
        form = self._core.browsers.sign_outs.put(PendingSignOut(browser, redirect_uri))
        return html(
            request,
            "sign_out.html",
            form_targets=" ".join(client.form_targets) if client else "",
            account=self._core.account(session),
            client=client,
            form=form,
        )

    def _confirmed(self, request: Request, fields: Mapping[str, str]) -> bytes:
        pending = self._core.browsers.sign_outs.pop(fields["form"])
        if pending is None or pending.browser != self._core.browsers.identify(request):
            raise MalformedRequestError("this form is too old, or was opened in another browser")
        return self._sign_out(request, pending.redirect_uri)

    def _sign_out(self, request: Request, redirect_uri: str) -> bytes:
        self._core.browsers.sign_out(request)
        if redirect_uri:
            return see_other(request, redirect_uri)
        return html(request, "signed_out.html")

    def _client(self, fields: Mapping[str, str], hint: Hint) -> Client | None:
        """The client that is named, by itself or by its ID token, which must then agree."""
        client_id = fields.get("client_id", hint.client_id)
        client = self._core.clients.get(client_id)
        if client_id and (client is None or hint.client_id not in {"", client_id}):
            raise MalformedRequestError(
                "this client_id is not registered here, or not the one of the ID token"
            )
        return client


def _registered_target(client: Client | None, fields: Mapping[str, str]) -> str:
    """Where to go afterwards, with the state; "" when nothing was asked for. Raises MalformedRequestError."""
    target = fields.get("post_logout_redirect_uri", "")
    if not target:
        return ""
    if client is None or target not in client.post_logout_redirect_uris:
        raise MalformedRequestError("this post_logout_redirect_uri is not registered for the client")
    return with_parameters(target, state=fields.get("state", ""))


def _page_error(request: Request, problem: str) -> bytes:
    return html(request, "idp_error.html", 400, problem=problem)
