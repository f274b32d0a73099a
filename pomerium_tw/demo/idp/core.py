"""What all resources of the provider share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from .accounts import Account, Accounts
from .browser import Browsers, BrowserSession
from .clients import Clients
from .grants import Grants
from .id_tokens import IDTokens
from .messages import AuthorizationRequest, with_parameters

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Core:
    """One provider's parts. The issuer is configured, never read from a request."""

    issuer: str
    """URL without a slash at its end; every address that we name begins with it."""
    clock: IReactorTime
    clients: Clients
    accounts: Accounts
    browsers: Browsers
    grants: Grants
    id_tokens: IDTokens

    def url(self, path: str) -> str:
        return self.issuer + path

    def account(self, session: BrowserSession) -> Account:
        return self.accounts.by_subject(session.subject)

    def answer(self, request: AuthorizationRequest, session: BrowserSession) -> str:
        """The URL that takes the browser home with a code (RFC 6749 §4.1.2, RFC 9207)."""
        code = self.grants.issue_code(request, session.subject, session.auth_time)
        return with_parameters(request.redirect_uri, code=code, state=request.state, iss=self.issuer)

    def refuse(self, redirect_uri: str, state: str, error: str, description: str) -> str:
        """The URL that takes the browser home with an error (RFC 6749 §4.1.2.1, RFC 9207)."""
        return with_parameters(
            redirect_uri, error=error, error_description=description, state=state, iss=self.issuer
        )
