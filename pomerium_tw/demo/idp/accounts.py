"""The people of the demonstration, and checking their passwords."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

from .bounded import Expiring

MAX_FAILURES = 5
"""Wrong passwords for one user name, known or not, until it has to wait."""

MAX_FAILURES_TOGETHER = 60
"""Wrong passwords for all names together until everybody has to wait."""

WAIT = 60.0
"""Seconds after which failed tries are forgotten."""

_NAMES_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Account:
    """One person who can sign in."""

    subject: str
    """Stable id: the ``sub`` claim."""
    username: str
    password: str
    """Shown on the sign-in page on purpose: this provider is a demonstration on loopback."""
    name: str
    email: str
    groups: tuple[str, ...]
    note: str
    """What the account is for, in a few words."""

    def claims(self, scope: Sequence[str]) -> dict[str, Any]:
        """Claims released for a scope (OpenID Connect Core §5.4); ``groups`` go with ``profile``."""
        claims: dict[str, Any] = {"sub": self.subject}
        if "profile" in scope:
            claims.update(name=self.name, preferred_username=self.username, groups=list(self.groups))
        if "email" in scope:
            claims.update(email=self.email, email_verified=True)
        return claims


DEMO_ACCOUNTS = (
    Account(
        "demo-administrator",
        "admin@corp.example",
        "quiet-harbour-58",
        "Demo Administrator",
        "admin@corp.example",
        ("admins", "staff"),
        "in the group admins: may open everything",
    ),
    Account(
        "demo-member",
        "member@corp.example",
        "paper-lantern-27",
        "Demo Member",
        "member@corp.example",
        ("staff",),
        "in the group staff: refused on the admin route",
    ),
    Account(
        "demo-outsider",
        "outsider@elsewhere.example",
        "winter-orchard-93",
        "Demo Outsider",
        "outsider@elsewhere.example",
        (),
        "of another domain, in no group",
    ),
)
"""An administrator, a member, and an outsider of another domain."""


class TooManyFailuresError(Exception):
    """Nobody is told whether the password was right until the wait is over."""


class Accounts:
    """Checks passwords; an unknown name costs and says the same as a known one (spec/threats PL-06)."""

    def __init__(
        self, accounts: Sequence[Account], clock: IReactorTime, random: Callable[[int], bytes]
    ) -> None:
        self.listed = tuple(accounts)
        self._by_name = {account.username: account for account in accounts}
        self._by_subject = {account.subject: account for account in accounts}
        self._nobody = random(32).hex()
        self._failures: Expiring[int] = Expiring(clock, random, lifetime=WAIT, size=_NAMES_REMEMBERED)
        self._all_failures: Expiring[None] = Expiring(
            clock, random, lifetime=WAIT, size=MAX_FAILURES_TOGETHER + 1
        )

    def by_subject(self, subject: str) -> Account:
        """The account of a ``sub`` that we issued. Raises KeyError."""
        return self._by_subject[subject]

    def check(self, username: str, password: str) -> Account | None:
        """The account, or None when name or password is wrong. Raises :class:`TooManyFailuresError`."""
        username = username.strip().lower() or "-"
        failures = self._failures.get(username) or 0
        if failures >= MAX_FAILURES or self._all_failures.count() >= MAX_FAILURES_TOGETHER:
            raise TooManyFailuresError
        account = self._by_name.get(username)
        right = hmac.compare_digest(_digest(password), _digest(account.password if account else self._nobody))
        if account is not None and right:
            return account
        self._failures.put(failures + 1, key=username)
        self._all_failures.put(None)
        return None


def _digest(text: str) -> bytes:
    """Of one length, so that comparing takes one time."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
