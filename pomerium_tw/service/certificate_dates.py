"""Server certificates that browsers refuse for their dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from policy_grammar import Span

from ..config import Problem
from ..tls import ServerCertificate


def out_of_date(certificates: Iterable[tuple[Span, ServerCertificate]], now: float) -> list[Problem]:
    """Those that have expired, or are not valid yet, as warnings. ``now``: seconds since the epoch."""
    moment, found = datetime.fromtimestamp(now, UTC), []
    for span, certificate in certificates:
        leaf = certificate.chain[0]
        if moment > leaf.not_valid_after_utc:
            message = f"the certificate expired on {_date(leaf.not_valid_after_utc)}"
            found.append(Problem(span, message, "browsers refuse it: get a new one"))
        elif moment < leaf.not_valid_before_utc:
            message = f"the certificate is not valid before {_date(leaf.not_valid_before_utc)}"
            found.append(
                Problem(span, message, "browsers refuse it until then; is the clock of this machine right?")
            )
    return found


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
