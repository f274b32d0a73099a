"""Reading requests strictly: parameters once each, checks in the order that is safe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from twisted.web.server import Request

from .clients import Client, Clients

MAX_PARAMETERS = 40
"""Parameters in a request for the development identity provider."""
MAX_VALUE = 4_096
"""Characters of one parameter."""

SCOPES = ("openid", "profile", "email", "offline_access")

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
"""RFC 7636 §4.1 and §4.2."""


class MalformedRequestError(Exception):
    """The request cannot be read, or cannot be answered by a redirect; the text says why."""


class RefusedRequestError(Exception):
    """An authorization error that goes back to the client's redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str, redirect_uri: str, state: str) -> None:
        super().__init__(description)
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid authorization request (OpenID Connect Core §3.1.2.1)."""

    client: Client
    redirect_uri: str
    state: str
    nonce: str
    scope: tuple[str, ...]
    code_challenge: str
    """S256, or "" when the client uses no PKCE."""
    prompt: frozenset[str]
    max_age: int | None
    """Seconds since the last sign-in that the client accepts."""
    login_hint: str


def query_fields(request: Request) -> dict[str, str]:
    """Parameters of the query. Raises MalformedRequestError."""
    return _fields(request.uri.partition(b"?")[2])


def form_fields(request: Request) -> dict[str, str]:
    """Parameters of a form body; the query is not looked at. Raises MalformedRequestError."""
    kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MalformedRequestError("the body must be application/x-www-form-urlencoded")
    content = request.content
    return _fields(content.read() if content is not None else b"")


def _fields(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict"
        )
    except ValueError as error:
        raise MalformedRequestError("the parameters cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequestError("a parameter is given twice")
    if any(len(value) > MAX_VALUE for value in fields.values()):
        raise MalformedRequestError(f"a parameter is longer than {MAX_VALUE} characters")
    return {name: value for name, value in fields.items() if value}


def read_authorization_request(fields: Mapping[str, str], clients: Clients) -> AuthorizationRequest:
    """Check an authorization request.

    Raises MalformedRequestError while the redirect URI is not yet trusted, RefusedRequestError from then on.
    """
    client = clients.get(fields.get("client_id", ""))
    if client is None:
        raise MalformedRequestError("this client_id is not registered here")
    redirect_uri = fields.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise MalformedRequestError("this redirect_uri is not registered for the client")
    state = fields.get("state", "")
    problem = _first_problem(fields)
    if problem:
        raise RefusedRequestError(*problem, redirect_uri, state)
    max_age = fields.get("max_age")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        state=state,
        nonce=fields.get("nonce", ""),
        scope=tuple(scope for scope in SCOPES if scope in fields["scope"].split(" ")),
        code_challenge=fields.get("code_challenge", ""),
        prompt=frozenset(fields.get("prompt", "").split()),
        max_age=None if max_age is None else int(max_age),
        login_hint=fields.get("login_hint", ""),
    )


def _first_problem(fields: Mapping[str, str]) -> tuple[str, str] | None:
    """Error code and description of what is wrong, for a client that may be told by redirect."""
    prompt = fields.get("prompt", "").split()
    max_age = fields.get("max_age", "0")
    problems = (
        ("request" in fields, "request_not_supported", "request objects are not supported"),
        ("request_uri" in fields, "request_uri_not_supported", "request objects are not supported"),
        ("response_type" not in fields, "invalid_request", "response_type is missing"),
        (
            fields.get("response_type") != "code",
            "unsupported_response_type",
            "only the code flow is supported",
        ),
        (
            fields.get("response_mode", "query") != "query",
            "invalid_request",
            "only response_mode=query is supported",
        ),
        ("openid" not in fields.get("scope", "").split(" "), "invalid_scope", "the scope openid is required"),
        ("none" in prompt and len(prompt) > 1, "invalid_request", "prompt=none stands alone"),
        (
            not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10),
            "invalid_request",
            "max_age is no number",
        ),
        _challenge_problem(fields),
    )
    return next(((error, text) for wrong, error, text in problems if wrong), None)


def _challenge_problem(fields: Mapping[str, str]) -> tuple[bool, str, str]:
    """PKCE is S256 or absent; a challenge without a method would mean ``plain`` (RFC 7636 §4.3)."""
    challenge = fields.get("code_challenge")
    if challenge is None:
        return "code_challenge_method" in fields, "invalid_request", "code_challenge is missing"
    if fields.get("code_challenge_method") != "S256":
        return True, "invalid_request", "code_challenge_method must be S256"
    return not _CHALLENGE.fullmatch(challenge), "invalid_request", "code_challenge is not an S256 challenge"


def is_verifier(text: str) -> bool:
    """Whether a text has the form of a PKCE code verifier."""
    return _VERIFIER.fullmatch(text) is not None


def with_parameters(url: str, **parameters: str) -> str:
    """A registered URL with parameters added to its query; empty ones are left out."""
    added = urlencode({name: value for name, value in parameters.items() if value})
    return f"{url}{'&' if urlsplit(url).query else '?'}{added}" if added else url
