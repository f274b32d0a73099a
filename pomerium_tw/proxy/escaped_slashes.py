"""What becomes of ``%2F`` and ``%5C`` in a path, once the route is known (spec/proxy §3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ..model import Request, Target, redirect
from ..pages import local_reply, texts
from .exchange import Respond
from .plan import RoutePlan
from .target import EscapedSlashAction, HeldTarget


def settle(
    request: Request, find: Callable[[Request], RoutePlan | None], default: EscapedSlashAction
) -> Request | Respond:
    """The request with the target that is decided on and sent, or the answer in its stead.

    For requests whose target is a :class:`~.target.HeldTarget`. ``find`` looks a route up; ``default`` holds
    where it says nothing, and where there is none.
    """
    target = cast("HeldTarget", request.target)
    plan = find(request)
    action = (plan.route.escaped_slashes if plan is not None else None) or default
    if action == "keep_unchanged":
        if target.dotted:
            return _refused(request, "The path holds a dot segment between escaped slashes.")
        return request._replace(target=Target(*target))
    if action == "reject_request":
        return _refused(request, "The path holds an escaped slash.")
    if action == "unescape_and_forward":
        return request._replace(target=target.unescaped)
    location = target.unescaped.raw
    if location.startswith(b"//"):
        # Slashes are not merged here, and browsers would read a host.
        return _refused(request, "The path begins with several slashes.")
    return Respond(redirect(location.decode("ascii"), 307), "path_normalization_redirect")


def _refused(request: Request, why: str) -> Respond:
    return Respond(local_reply(texts.bad_request(why), request), "path_normalization_failed")
