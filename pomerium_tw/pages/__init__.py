"""What we answer ourselves: pages that people see, and the JSON, plain and gRPC forms of the same facts.

Resources are ordinary ``twisted.web`` ones whose methods are coroutines from :class:`OwnRequest` to a reply
(:class:`Page`). An error is first put into words (:class:`ErrorFacts`, ready-made in :mod:`.texts`), then
into the form that fits its place: :func:`denial_reply` for policy, :func:`local_reply` for the data path,
:func:`handler_reply` for our own resources. :func:`response_for` says what a decision is answered with.
"""

from . import texts
from .accept import best, is_grpc, is_grpc_web, media_type, prefers_json, wants_redirect
from .assets import ASSET_PATHS
from .errors import denial_reply, handler_reply, local_reply, unauthenticated_reply
from .facts import Detail, ErrorFacts, Form, Link, status_text
from .probes import Probe, Redirect, Robots
from .render import (
    CONTENT_SECURITY_POLICY,
    INTERCEPTED,
    bare_reply,
    forward_reply,
    html_reply,
    json_reply,
    load_pages,
    message_reply,
    text_reply,
)
from .resource import OwnRequest, Page, write_reply
from .responses import Way, response_for
from .sign_out import SignedOut, confirm_sign_out, signed_out
from .tree import PathTree, own_tree
from .user import UserDocument, UserPage
from .well_known import KeySet, WellKnown

__all__ = [
    "ASSET_PATHS",
    "CONTENT_SECURITY_POLICY",
    "INTERCEPTED",
    "Detail",
    "ErrorFacts",
    "Form",
    "KeySet",
    "Link",
    "OwnRequest",
    "Page",
    "PathTree",
    "Probe",
    "Redirect",
    "Robots",
    "SignedOut",
    "UserDocument",
    "UserPage",
    "Way",
    "WellKnown",
    "bare_reply",
    "best",
    "confirm_sign_out",
    "denial_reply",
    "forward_reply",
    "handler_reply",
    "html_reply",
    "is_grpc",
    "is_grpc_web",
    "json_reply",
    "load_pages",
    "local_reply",
    "media_type",
    "message_reply",
    "own_tree",
    "prefers_json",
    "response_for",
    "signed_out",
    "status_text",
    "text_reply",
    "texts",
    "unauthenticated_reply",
    "wants_redirect",
    "write_reply",
]
