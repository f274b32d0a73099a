"""Signing out as the visitor sees it: the question before, the word after (spec/identity §5.3, SE-09)."""

from __future__ import annotations

from ..model import Identity, Reply
from .facts import Form, Link
from .render import Headers, message_reply
from .resource import OwnRequest, Page

_STAY = Link("Stay signed in", "/.pomerium/")


def confirm_sign_out(identity: Identity, form: Form, *, stay: Link = _STAY) -> Reply:
    """Asks before anybody is signed out: a link from another site cannot do it silently. ``form`` does it."""
    account = identity.email or identity.user_id
    message = f"You are signed in as {account}." if account else "This ends your session, if you have one."
    return message_reply(
        "Sign out?",
        message,
        advice="Signing out ends your session in this browser for every application behind this proxy.",
        links=(stay,),
        forms=(form,),
    )


def signed_out(headers: Headers = (), links: tuple[Link, ...] = ()) -> Reply:
    """It is done."""
    return message_reply(
        "You are signed out",
        "Your session has ended.",
        advice="On a computer that you share, close the browser too.",
        links=links,
        headers=headers,
    )


class SignedOut(Page):
    """``/.pomerium/signed_out`` of the authenticate host."""

    async def get(self, _request: OwnRequest) -> Reply:
        return signed_out()
