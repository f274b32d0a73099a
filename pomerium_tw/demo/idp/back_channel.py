"""What clients ask without the browser: tokens, userinfo, revocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from pomerium_tw.demo.web import json_answer

from .clients import Client, InvalidClientError
from .core import Core
from .grants import ACCESS_TOKEN_LIFETIME, Grant, InvalidGrantError, Tokens
from .messages import MalformedRequestError, form_fields


class UnsupportedGrantTypeError(Exception):
    """RFC 6749 §5.2."""


Serve = Callable[[Core, Client, Mapping[str, str]], dict[str, Any]]
"""Answers an authenticated client's form; raises the errors of :class:`BackChannel`."""


class BackChannel(Resource):
    """A POST by an authenticated client, answered in JSON."""

    isLeaf = True

    def __init__(self, core: Core, serve: Serve) -> None:
        super().__init__()
        self._core = core
        self._serve = serve

    def render_POST(self, request: Request) -> bytes:
        try:
            form = form_fields(request)
            client = self._core.clients.authenticate(request.getHeader("authorization") or "", form)
            return json_answer(request, self._serve(self._core, client, form))
        except MalformedRequestError as error:
            return _error(request, 400, "invalid_request", str(error))
        except InvalidGrantError as error:
            return _error(request, 400, "invalid_grant", str(error))
        except InvalidClientError as error:
            request.setHeader("WWW-Authenticate", 'Basic realm="token"')
            return _error(request, 401, "invalid_client", str(error))
        except UnsupportedGrantTypeError as error:
            return _error(request, 400, "unsupported_grant_type", str(error))


def issue_tokens(core: Core, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """``/token``: codes and refresh tokens for tokens (OpenID Connect Core §3.1.3, §12)."""
    match form.get("grant_type"):
        case "authorization_code":
            code, redirect_uri = _required(form, "code"), _required(form, "redirect_uri")
            verifier = form.get("code_verifier", "")
            return _token_answer(core, *core.grants.redeem_code(code, client.id, redirect_uri, verifier))
        case "refresh_token":
            return _token_answer(core, *core.grants.refresh(_required(form, "refresh_token"), client.id))
        case None:
            raise MalformedRequestError("grant_type is missing")
        case _:
            raise UnsupportedGrantTypeError("only authorization_code and refresh_token are supported")


def revoke_token(core: Core, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """``/revoke``: ends the sign-in behind a token (RFC 7009)."""
    core.grants.revoke(_required(form, "token"), client.id)
    return {}


def _token_answer(core: Core, grant: Grant, tokens: Tokens) -> dict[str, Any]:
    claims = core.accounts.by_subject(grant.subject).claims(grant.scope)
    answer: dict[str, Any] = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_TOKEN_LIFETIME),
        "scope": " ".join(grant.scope),
        "id_token": core.id_tokens.issue(grant, claims, tokens.access_token, core.clock.seconds()),
    }
    if tokens.refresh_token:
        answer["refresh_token"] = tokens.refresh_token
    return answer


class UserInfo(Resource):
    """``/userinfo``: claims for the bearer of an access token (OpenID Connect Core §5.3, RFC 6750)."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def render_GET(self, request: Request) -> bytes:
        scheme, _, token = (request.getHeader("authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            request.setHeader("WWW-Authenticate", "Bearer")
            return _error(
                request, 401, "invalid_request", "send the access token as: Authorization: Bearer …"
            )
        grant = self._core.grants.by_access_token(token.strip())
        if grant is None:
            request.setHeader("WWW-Authenticate", 'Bearer error="invalid_token"')
            return _error(request, 401, "invalid_token", "the access token is unknown, expired or revoked")
        return json_answer(request, self._core.accounts.by_subject(grant.subject).claims(grant.scope))

    render_POST = render_GET


def _required(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise MalformedRequestError(f"{name} is missing")
    return form[name]


def _error(request: Request, status: int, error: str, description: str) -> bytes:
    """The JSON form of an error (RFC 6749 §5.2)."""
    return json_answer(request, {"error": error, "error_description": description}, status)
