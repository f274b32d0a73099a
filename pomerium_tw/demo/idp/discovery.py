"""What clients ask first: the discovery document and the keys (OpenID Connect Discovery §3, RFC 7517)."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from pomerium_tw.demo.web import json_answer

from .core import Core
from .id_tokens import ALGORITHM
from .messages import SCOPES

_MAX_AGE = 60
"""Seconds for which either document may be kept."""


class Discovery(Resource):
    """``/.well-known/openid-configuration``."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._document = _document(core)

    def render_GET(self, request: Request) -> bytes:
        return json_answer(request, self._document, max_age=_MAX_AGE)


class Keys(Resource):
    """``/jwks.json``."""

    isLeaf = True

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._document = core.id_tokens.jwks()

    def render_GET(self, request: Request) -> bytes:
        return json_answer(request, self._document, max_age=_MAX_AGE)


def _document(core: Core) -> dict[str, Any]:
    client_authentication = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": core.issuer,
        "authorization_endpoint": core.url("/authorize"),
        "token_endpoint": core.url("/token"),
        "userinfo_endpoint": core.url("/userinfo"),
        "jwks_uri": core.url("/jwks.json"),
        "revocation_endpoint": core.url("/revoke"),
        "end_session_endpoint": core.url("/end-session"),
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": client_authentication,
        "revocation_endpoint_auth_methods_supported": client_authentication,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"),
            *("name", "preferred_username", "groups", "email", "email_verified"),
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }
