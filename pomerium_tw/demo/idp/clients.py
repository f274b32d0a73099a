"""Who may ask this provider to sign people in, and how they prove it (OpenID Connect Core §9)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from pomerium_tw.model import Secret


@dataclass(frozen=True, slots=True)
class Client:
    """A registered relying party; all of its URLs are compared exactly."""

    id: str
    secret: Secret
    name: str
    """Shown on the sign-in page."""
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...] = ()
    form_targets: tuple[str, ...] = ()
    """Origins (or CSP host sources) that a sign-in passes through on its way home: Chromium holds every
    redirect after a form against the form's ``form-action``."""


class InvalidClientError(Exception):
    """The client did not prove who it is (RFC 6749 §5.2)."""


class Clients:
    """The registered clients by id."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self._clients = {client.id: client for client in clients}

    def get(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def authenticate(self, authorization: str, form: Mapping[str, str]) -> Client:
        """The client of a back-channel request, by ``client_secret_basic`` or ``client_secret_post``.

        Exactly one of the two must be used (RFC 6749 §2.3). Raises InvalidClientError.
        """
        if authorization:
            if "client_secret" in form:
                raise InvalidClientError("two ways of client authentication in one request")
            client_id, secret = _basic(authorization)
            if form.get("client_id", client_id) != client_id:
                raise InvalidClientError("two client ids in one request")
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self._clients.get(client_id)
        expected = client.secret.reveal() if client else b""
        if not hmac.compare_digest(secret.encode(), expected) or client is None or not expected:
            raise InvalidClientError("unknown client or wrong secret")
        return client


def _basic(authorization: str) -> tuple[str, str]:
    """Id and secret, form-encoded before they were joined (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise InvalidClientError("the Authorization header is not HTTP Basic")
    return unquote_plus(client_id), unquote_plus(secret)
