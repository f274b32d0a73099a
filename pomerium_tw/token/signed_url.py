"""URLs that only we could have made, for five minutes (spec/identity §4.2)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..model import Secret

LIFETIME = 300
"""Seconds that a signed URL is good for."""
LEEWAY = 60
"""Seconds by which the clocks of two of our machines may differ."""
MAX_URL_CHARACTERS = 16_384
"""A longer signed address is not believed."""

ISSUED = "pomerium_issued"
EXPIRY = "pomerium_expiry"
SIGNATURE = "pomerium_signature"


class SignatureError(ValueError):
    """The URL was not signed by us, was changed, or is out of date."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired
        """The signature itself is good: the link is merely old."""


class SignedURLs:
    """Signs and checks absolute URLs under one key; older keys still verify."""

    def __init__(self, key: Secret, now: Callable[[], float], previous: tuple[Secret, ...] = ()) -> None:
        self._keys = (key, *previous)
        self._now = now

    def sign(self, url: str, parameters: Mapping[str, str]) -> str:
        """``url`` with ``parameters`` added, issue and expiry times, and the signature."""
        issued = int(self._now())
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(parameters)
        query[ISSUED], query[EXPIRY] = str(issued), str(issued + LIFETIME)
        bare = _with_query(url, query)
        query[SIGNATURE] = _mac(self._keys[0], bare, query[ISSUED], query[EXPIRY])
        return _with_query(url, query)

    def verify(self, url: str) -> dict[str, str]:
        """The parameters of a good URL, ours included. Raises SignatureError otherwise.

        A parameter that occurs twice spoils the URL: two readers could disagree about it.
        """
        if len(url) > MAX_URL_CHARACTERS:
            raise SignatureError("the address is too long")
        try:
            pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
        except ValueError as error:
            raise SignatureError("the address has no readable parameters") from error
        query = dict(pairs)
        if len(query) != len(pairs):
            raise SignatureError("a parameter occurs twice")
        signature = query.pop(SIGNATURE, "")
        issued, expiry = query.get(ISSUED, ""), query.get(EXPIRY, "")
        if not signature or not issued or not expiry:
            raise SignatureError("the address is not signed")
        bare = _with_query(url, query)
        # Every key is tried, whatever the first says: the time taken does not tell which one matched.
        good = [
            hmac.compare_digest(signature.encode(), _mac(key, bare, issued, expiry).encode())
            for key in self._keys
        ]
        if not any(good):
            raise SignatureError("the signature does not match the address")
        now = self._now()
        if now > int(expiry) + LEEWAY:
            raise SignatureError("the link is no longer valid", expired=True)
        if now < int(issued) - LEEWAY:
            raise SignatureError("the link is from the future: check the clocks")
        return query


def _mac(key: Secret, url: str, issued: str, expiry: str) -> str:
    # Times stand in the URL too, so that no byte can move between the fields unnoticed.
    text = f"{url}{issued} {expiry}".encode()
    return urlsafe_b64encode(hmac.new(key.reveal(), text, _sha512_256).digest()).decode()


def _sha512_256(data: bytes = b"") -> hashlib._Hash:
    return hashlib.new("sha512_256", data)


def _with_query(url: str, query: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(sorted(query.items())), ""))
