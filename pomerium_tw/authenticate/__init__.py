"""Signing in and out: the browser's conversation with the identity provider, on the authenticate host and
on route hosts.

The service fills a :class:`Conversation` and mounts two mappings of resources:
:func:`service_host_resources` on the authenticate host, :func:`route_host_resources` on every route host.
The proxy sends visitors who must sign in on their way with :class:`SignInLinks`.

One sign-in: route host (flow cookie, signed link) → authenticate host (flow cookie, sealed state) →
provider → back → session stored → signed hand-over, sealed for one host and one flow → route host (session
cookie) → the page wanted. Within ``cookie_domain`` the authenticate host sets the cookie itself.
"""

from .conversation import Conversation, Keys
from .destinations import Destinations
from .redirect_uri import RedirectError, redirect_authority
from .route_host import route_host_resources
from .service_host import service_host_resources
from .sign_in_url import SignInLinks

__all__ = [
    "Conversation",
    "Destinations",
    "Keys",
    "RedirectError",
    "SignInLinks",
    "redirect_authority",
    "route_host_resources",
    "service_host_resources",
]
