"""From what went wrong to the page that says so; the way back to the page first wanted is always on it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from twisted.logger import Logger

from ..databroker import InvalidRecord, StoreError
from ..identity import AccessDeniedError, ProviderError
from ..model import Reply, Request
from ..pages import ErrorFacts, handler_reply, texts
from ..token import SignatureError
from .parameters import REDIRECT_URI
from .redirect_uri import RedirectError, redirect_authority

log = Logger("pomerium.authenticate")

REFERRER_POLICY = b"Referrer-Policy"


class RefusedError(Exception):
    """A request of the conversation that goes no further."""

    def __init__(self, facts: ErrorFacts, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(reason)
        self.facts = facts
        """What the visitor reads."""
        self.reason = reason
        """What the log reads: never a token, code or address with a query."""
        self.headers = headers
        """Of the answer."""


def refusal_reply(refusal: RefusedError, request: Request) -> Reply:
    """The page, and one line in the log under the same request id."""
    log.info(
        "{path} of {host} refused: {reason}",
        path=request.target.path,
        host=request.host,
        reason=refusal.reason,
        request_id=request.id,
    )
    return unreferred(handler_reply(refusal.facts, request)).with_headers(refusal.headers)


def unreferred(reply: Reply) -> Reply:
    """The page for an address with a code or a session in it: its links tell nobody where they stand.

    Not for pages with forms: browsers that have no Fetch Metadata would send them without their Origin.
    """
    kept = (pair for pair in reply.headers if pair[0] != REFERRER_POLICY)
    return reply._replace(headers=(*kept, (REFERRER_POLICY, b"no-referrer")))


def signature_refusal(error: SignatureError, request: Request) -> RefusedError:
    """An old link still says where it led to: its signature is good. A forged one is not asked."""
    restart = safe_restart(request) if error.expired else ""
    return RefusedError(texts.link_not_valid(restart), str(error))


def safe_restart(request: Request) -> str:
    """The page that a link with a good signature leads to; "" when it names none."""
    values = parse_qs(urlsplit(request.url).query).get(REDIRECT_URI, [""])
    try:
        redirect_authority(values[0])
    except RedirectError:
        return ""
    return values[0]


def provider_refusal(error: ProviderError, restart: str) -> RefusedError:
    """What a failing provider means to the visitor. Its words are for the log."""
    if error.temporary:
        return RefusedError(texts.identity_provider_unavailable(restart), str(error))
    if isinstance(error, AccessDeniedError):
        return RefusedError(texts.access_denied(restart), str(error))
    return RefusedError(texts.sign_in_failed(restart_url=restart), str(error))


def store_refusal(error: StoreError, restart: str = "") -> RefusedError:
    """Sessions cannot be kept just now; or this one's data never can."""
    if isinstance(error, InvalidRecord):
        message = "What the identity provider says of this account cannot be stored."
        return RefusedError(texts.sign_in_failed(message, restart), str(error))
    return RefusedError(texts.store_unavailable(), str(error))
