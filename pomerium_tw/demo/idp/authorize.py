"""The browser's way in: the authorization endpoint and the sign-in form (OpenID Connect Core §3.1.2)."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import Resource
from twisted.web.server import Request

from pomerium_tw.demo.web import html, see_other

from .accounts import WAIT, TooManyFailuresError
from .browser import BrowserSession, PendingSignIn
from .core import Core
from .messages import (
    AuthorizationRequest,
    MalformedRequestError,
    RefusedRequestError,
    form_fields,
    query_fields,
    read_authorization_request,
)

_MAX_USERNAME = 200
"""Characters of a user name that the form shows again."""


class Authorize(Resource):
    """``/authorize``: straight home when somebody is signed in and that will do, else the sign-in form."""

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
            return self._begin(request, form_fields(request))
        except MalformedRequestError as error:
            return _page_error(request, str(error))

    def _begin(self, request: Request, fields: Mapping[str, str]) -> bytes:
        try:
            wanted = read_authorization_request(fields, self._core.clients)
        except RefusedRequestError as refusal:
            location = self._core.refuse(refusal.redirect_uri, refusal.state, refusal.error, str(refusal))
            return see_other(request, location)
        session = self._core.browsers.session(request)
        if session is not None and self._suffices(session, wanted):
            return see_other(request, self._core.answer(wanted, session))
        if "none" in wanted.prompt:
            location = self._core.refuse(
                wanted.redirect_uri, wanted.state, "login_required", "nobody is signed in at the provider"
            )
            return see_other(request, location)
        browser = self._core.browsers.ensure(request)
        form = self._core.browsers.sign_ins.put(PendingSignIn(browser, wanted))
        return sign_in_page(self._core, request, wanted, form, username=wanted.login_hint)

    def _suffices(self, session: BrowserSession, wanted: AuthorizationRequest) -> bool:
        """Whether an existing session answers the request without asking anybody."""
        if wanted.prompt & {"login", "select_account"}:
            return False
        age = self._core.clock.seconds() - session.auth_time
        return wanted.max_age is None or age <= wanted.max_age


class SignIn(Resource):
    """``/sign-in``: where the form comes back."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def render_POST(self, request: Request) -> bytes:
        try:
            return self._sign_in(request, form_fields(request))
        except MalformedRequestError as error:
            return _page_error(request, str(error))

    def _sign_in(self, request: Request, fields: Mapping[str, str]) -> bytes:
        browsers = self._core.browsers
        form = fields.get("form", "")
        pending = browsers.sign_ins.get(form)
        if pending is None or pending.browser != browsers.identify(request):
            raise MalformedRequestError("this form is too old, or was opened in another browser")
        wanted = pending.request
        if "cancel" in fields:
            browsers.sign_ins.pop(form)
            location = self._core.refuse(
                wanted.redirect_uri, wanted.state, "access_denied", "the sign-in was cancelled"
            )
            return see_other(request, location)
        username = fields.get("username", "")[:_MAX_USERNAME]
        try:
            account = self._core.accounts.check(username, fields.get("password", ""))
        except TooManyFailuresError:
            request.setHeader("Retry-After", f"{WAIT:.0f}")
            problem = f"Too many failed tries. Wait {WAIT:.0f} seconds, then try again."
            return sign_in_page(
                self._core, request, wanted, form, username=username, problem=problem, status=429
            )
        if account is None:
            problem = "User name or password is wrong. The accounts that exist are listed below."
            return sign_in_page(
                self._core, request, wanted, form, username=username, problem=problem, status=403
            )
        browsers.sign_ins.pop(form)
        session = BrowserSession(account.subject, int(self._core.clock.seconds()))
        browsers.sign_in(request, session)
        return see_other(request, self._core.answer(wanted, session))


def sign_in_page(
    core: Core,
    request: Request,
    wanted: AuthorizationRequest,
    form: str,
    *,
    username: str = "",
    problem: str = "",
    status: int = 200,
) -> bytes:
    """The form, with what went wrong on the last try."""
    return html(
        request,
        "sign_in.html",
        status,
        form_targets=" ".join(wanted.client.form_targets),
        client=wanted.client,
        accounts=core.accounts.listed,
        form=form,
        username=username[:_MAX_USERNAME],
        problem=problem,
    )


def _page_error(request: Request, problem: str) -> bytes:
    """What cannot be told to the client by a redirect is told to the person."""
    return html(request, "idp_error.html", 400, problem=problem)
