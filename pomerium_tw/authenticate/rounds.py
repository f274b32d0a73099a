"""Browsers that come back without the session that they were sent away with (spec/threats SE-17)."""

from __future__ import annotations

from hashlib import sha256

from ..model import Request
from ..pages import texts
from ..session import Flow, FlowError
from ..token import encode
from .conversation import Conversation
from .faults import RefusedError

MAX_ROUNDS = 3
"""Times that a browser is sent to one page with a session before it is told that it keeps none."""
MAX_ROUND_PAGES = 8
"""Pages, the last that the browser was sent to, among which one is counted."""

_ID = "rounds"


def next_round(
    request: Request, page: str, started: float, conversation: Conversation
) -> tuple[tuple[bytes, bytes], ...]:
    """The cookie of the authenticate host that counts one more time. Raises RefusedError after the last one.

    What a route's host sets, it may be that the browser does not keep: only here is anything known of it.
    Counted by page, so that many tabs may come at once. ``started``: when the browser was sent off, in
    seconds since the epoch. Was that not after the last count, then it does not come back: that is another
    tab of the page.
    """
    rounds = conversation.rounds
    try:
        pages = rounds.resume(request.head.cookie, _ID).values["pages"].split()
    except FlowError:
        pages = []
    name = encode(sha256(page.encode()).digest()[:6])
    times = [int(when or 0) for each, _dot, when in (entry.partition(".") for entry in pages) if each == name]
    if times and int(started * 1000) <= max(times):
        return ()
    if len(times) >= MAX_ROUNDS:
        reason = f"the browser came back {MAX_ROUNDS} times without a session"
        forgotten = (b"Set-Cookie", forget_rounds(conversation))
        raise RefusedError(texts.session_not_kept(page), reason, (forgotten,))
    counted = f"{name}.{int(conversation.now() * 1000)}"
    flow = Flow(_ID, {"pages": " ".join([*pages, counted][-MAX_ROUND_PAGES:])})
    # The provider's answer may be a form that its page sends here: only such a cookie comes with it.
    return ((b"Set-Cookie", rounds.begin(flow, cross_site_post=request.method == "POST")),)


def forget_rounds(conversation: Conversation) -> bytes:
    """Set-Cookie that begins the count anew."""
    return conversation.rounds.end(_ID)
