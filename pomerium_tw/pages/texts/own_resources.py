"""What goes wrong with pages of our own."""

from __future__ import annotations

from ..facts import ErrorFacts, Link
from .wording import SIGN_OUT, TRY_AGAIN, USER_PAGE


def page_not_found() -> ErrorFacts:
    """An unknown path under ``/.pomerium/``."""
    return ErrorFacts(
        404,
        "There is no such page",
        "Addresses under /.pomerium/ belong to the access proxy, and it has no page here.",
        "Go to your account, or back to the application.",
        "not_found",
        actions=(Link("Your account", USER_PAGE), Link("Application", "/")),
    )


def nothing_known() -> ErrorFacts:
    """A session whose user cannot be named to an application."""
    return ErrorFacts(
        404,
        "Nothing is known about this account",
        "There is a session, but no user that belongs to it.",
        "Sign out, then sign in again.",
        "not_found",
        actions=(Link("Sign out", SIGN_OUT),),
    )


def bad_request(message: str, advice: str = "Go back and start from the page before.") -> ErrorFacts:
    """A request that one of our own pages cannot serve."""
    return ErrorFacts(400, "This request cannot be served", message, advice, "bad_request")


def internal(reason: str = "internal_error") -> ErrorFacts:
    """An unexpected exception: the log has the traceback."""
    return ErrorFacts(
        500,
        "Something went wrong on our side",
        "The access proxy met an error that it did not expect, and did not carry out this request.",
        TRY_AGAIN,
        reason,
    )
