"""Failures between the client and the application, its fault or ours."""

from __future__ import annotations

from ..facts import ErrorFacts
from .wording import ASK, TRY_AGAIN

_RESET = "upstream_reset_before_response_started"


def upstream_unreachable(reason: str = f"{_RESET}{{connection_failure}}") -> ErrorFacts:
    """No connection: refused, not answered in time, or TLS failed."""
    return ErrorFacts(
        503,
        "The application does not answer",
        "You were let in, but the application behind this address could not be reached.",
        f"It may be starting or down. {TRY_AGAIN}",
        reason,
        "UF",
    )


def upstream_unresolved(reason: str = "dns_resolution_failure") -> ErrorFacts:
    """The upstream's name has no address."""
    return ErrorFacts(
        503,
        "The application cannot be found",
        "You were let in, but the name of the machine that runs this application is not known at the moment.",
        f"Your own connection is in order. {TRY_AGAIN}",
        reason,
        "DF",
    )


def no_healthy_upstream(reason: str = "no_healthy_upstream") -> ErrorFacts:
    """Every upstream of the route is out of service."""
    return ErrorFacts(
        503,
        "The application is out of service",
        "You were let in, but no machine that runs this application is fit to answer at the moment.",
        TRY_AGAIN,
        reason,
        "UH",
    )


def upstream_overflow(reason: str = f"{_RESET}{{overflow}}") -> ErrorFacts:
    """The route has as many requests under way as it may."""
    return ErrorFacts(
        503,
        "The application is busy",
        "The application has as many requests as it may have at once, so this one was not passed on.",
        f"Nothing was done. {TRY_AGAIN}",
        reason,
        "UO",
    )


def upstream_dropped(reason: str = f"{_RESET}{{connection_termination}}") -> ErrorFacts:
    """The connection ended before an answer began."""
    return ErrorFacts(
        503,
        "The application hung up",
        "The application took the request and closed the connection without an answer.",
        f"What you asked for may or may not have been done: check before you send it again. {ASK}",
        reason,
        "UC",
    )


def upstream_malformed(reason: str = f"{_RESET}{{protocol_error}}") -> ErrorFacts:
    """The answer breaks HTTP in a way that must not be passed on."""
    return ErrorFacts(
        502,
        "The application's answer cannot be used",
        "The application answered, but not in valid HTTP, so its answer was not passed on.",
        f"Trying again is unlikely to help. {ASK}",
        reason,
        "UPE",
    )


def upstream_timeout(reason: str = "upstream_response_timeout", flag: str = "UT") -> ErrorFacts:
    """The answer was not complete, or nothing came, for as long as is allowed."""
    return ErrorFacts(
        504,
        "The application took too long",
        "The application did not finish its answer within the time that is allowed for it.",
        f"What you asked for may still be done: check before you send it again. {ASK}",
        reason,
        flag,
    )


def request_timeout(reason: str = "request_overall_timeout", flag: str = "") -> ErrorFacts:
    """The request did not arrive in full within its time, or came too slowly."""
    return ErrorFacts(
        408,
        "The request took too long to arrive",
        "Your browser or program began a request and did not finish sending it within its time.",
        "The network may be slow: try again, with less to upload if you can. "
        "If it goes on, tell the people who run this service, with the request id.",
        reason,
        flag,
    )


def request_too_large(reason: str = "request_payload_too_large") -> ErrorFacts:
    """The body is longer than the route takes."""
    return ErrorFacts(
        413,
        "This is too much at once",
        "What you sent is larger than this application takes.",
        f"Send less, or in parts. If you need to send this much: {ASK[0].lower()}{ASK[1:]}",
        reason,
    )


def request_malformed(reason: str = "request_body_malformed") -> ErrorFacts:
    """The body's framing is broken: where it ends is not known."""
    return ErrorFacts(
        400,
        "The request cannot be understood",
        "What your browser or program sent is not valid HTTP, so it was not passed on in full.",
        f"Trying again is unlikely to help: the program that sent it has a fault. {ASK}",
        reason,
        "DPE",
    )


def store_unavailable(reason: str = "databroker_unavailable") -> ErrorFacts:
    """Sessions cannot be read: nobody can be let in."""
    return ErrorFacts(
        503,
        "Sessions cannot be checked",
        "The store that holds the sessions does not answer, so nobody can be let in at the moment.",
        f"Your session is not lost. {TRY_AGAIN}",
        reason,
    )


def authorization_failed(reason: str = "ext_authz_error") -> ErrorFacts:
    """An unexpected exception on the way to a decision: nobody is let in."""
    return ErrorFacts(
        503,
        "Access cannot be checked",
        "The access proxy met an error when it checked whether you may go there, so it passed nothing on.",
        TRY_AGAIN,
        reason,
    )
