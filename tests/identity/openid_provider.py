"""A small OpenID Provider on a loopback socket, faithful to OpenID Connect Core until a test makes it err."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from twisted.internet.interfaces import IListeningPort
from twisted.web import resource, server

from pomerium_tw.token import encode

CLIENT_ID = "the proxy"
CLIENT_SECRET = "s3cret: with & signs"
Change = Callable[[dict[str, Any]], dict[str, Any]]


def unchanged(values: dict[str, Any]) -> dict[str, Any]:
    return values


@dataclass
class Grant:
    """What a code or refresh token stands for."""

    subject: str
    redirect_uri: str
    nonce: str | None
    challenge: str | None


@dataclass
class OpenIdProvider:
    """Everything about it may be changed while it runs; ``seen`` keeps (path, form) of every request."""

    now: Callable[[], float]
    pkce: bool = True
    metadata: Change = unchanged
    claims: Change = unchanged
    userinfo: Change = unchanged
    token_answer: Change = unchanged
    status: dict[str, int] = field(default_factory=dict)
    """Path → status with which it fails."""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    algorithm: str = "ES256"
    key_id: str | None = "key-1"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    published: list[tuple[str, Any]] = field(default_factory=list)
    codes: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    issuer: str = ""

    def listen(self, reactor: Any) -> IListeningPort:
        self.published = [("key-1", self.key)]
        port: IListeningPort = reactor.listenTCP(0, server.Site(_Endpoint(self)), interface="127.0.0.1")
        self.issuer = f"http://op.localhost:{port.getHost().port}"
        return port

    # The person at the provider's page

    def authorize(self, url: str, subject: str = "alice") -> str:
        """Where the browser is sent after ``subject`` has signed in at ``url``."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(self.issuer + "/authorize?")
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked.get("code_challenge_method", "S256") == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = Grant(
            subject, asked["redirect_uri"], asked.get("nonce"), asked.get("code_challenge")
        )
        answer = {"code": code, "state": asked["state"]}
        if self._document().get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.issuer
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def refuse(self, url: str, error: str = "access_denied") -> str:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return f"{asked['redirect_uri']}?{urlencode({'error': error, 'state': asked['state']})}"

    # Endpoints

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.seen.append((path, form))
        if path in self.status:
            return self.status[path], {"error": "server_error"}
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata(self._document())
        if path == "/jwks":
            return 200, {"keys": [self._jwk(key_id, key) for key_id, key in self.published]}
        if path == "/userinfo":
            subject = self.access_tokens.get(authorization.removeprefix("Bearer "))
            if subject is None:
                return 401, {"error": "invalid_token"}
            return 200, self.userinfo({"sub": subject, **self.users.get(subject, {})})
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        if path == "/revoke":
            self.access_tokens.pop(form["token"], None)
            self.refresh_tokens.pop(form["token"], None)
            return 200, {}
        if path == "/token":
            return self._token(form)
        return 404, {}

    def count(self, path: str) -> int:
        return [seen for seen, _ in self.seen].count(path)

    def _document(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/jwks",
            "userinfo_endpoint": self.issuer + "/userinfo",
            "revocation_endpoint": self.issuer + "/revoke",
            "end_session_endpoint": self.issuer + "/end_session?from=op",
        }
        return document | ({"code_challenge_methods_supported": ["plain", "S256"]} if self.pkce else {})

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if authorization.startswith("Basic "):
            name, _, secret = b64decode(authorization[6:]).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form["grant_type"] == "refresh_token":
            subject = self.refresh_tokens.pop(form["refresh_token"], None)
            return (400, {"error": "invalid_grant"}) if subject is None else (200, self._issue(subject, None))
        grant = self.codes.pop(form["code"], None)
        if grant is None or grant.redirect_uri != form["redirect_uri"] or not _proves(grant, form):
            return 400, {"error": "invalid_grant", "error_description": f"not good: {form['code']}"}
        return 200, self._issue(grant.subject, grant.nonce)

    def _issue(self, subject: str, nonce: str | None) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.access_tokens[access], self.refresh_tokens[refresh] = subject, subject
        digest = hashlib.sha256(access.encode()).digest()
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": CLIENT_ID,
            "iat": int(self.now()),
            "exp": int(self.now()) + 600,
            "at_hash": encode(digest[:16]),
            **({"nonce": nonce} if nonce else {}),
        }
        headers = {"kid": self.key_id} if self.key_id else None
        token = jwt.encode(self.claims(claims), self.key, self.algorithm, headers=headers)
        answer = {
            "access_token": access,
            "refresh_token": refresh,
            "id_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
        }
        return self.token_answer(answer)

    def _jwk(self, key_id: str, key: Any) -> dict[str, Any]:
        return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


def _proves(grant: Grant, form: dict[str, str]) -> bool:
    if grant.challenge is None:
        return "code_verifier" not in form
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return encode(digest) == grant.challenge


class _Endpoint(resource.Resource):
    isLeaf = True

    def __init__(self, provider: OpenIdProvider) -> None:
        super().__init__()
        self._provider = provider

    def render(self, request: server.Request) -> bytes:
        form = {name.decode(): values[0].decode() for name, values in request.args.items()}
        authorization = request.getHeader("authorization") or ""
        status, value = self._provider.answer(request.path.decode(), form, authorization)
        request.setResponseCode(status)
        request.setHeader("content-type", "application/json")
        return json.dumps(value).encode()
