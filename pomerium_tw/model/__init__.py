"""The values everybody speaks: requests, replies, routes, identities, decisions and secrets.

Pure: no I/O, no Twisted.
"""

from .authority import AUTHORITY
from .certificate import ClientCertificate
from .decision import Decision, Outcome
from .identity import (
    ANONYMOUS,
    MAX_MEMO,
    NO_CLAIMS,
    NO_DEVICES,
    Claims,
    Device,
    DirectoryGroup,
    DirectoryUser,
    Identity,
    Session,
    User,
    believable_email,
    flatten_claims,
)
from .ipv6 import canonical_ipv6
from .own_paths import OWN_PATHS, OWN_PREFIXES, reserved
from .request import Head, MCPCall, Peer, Reply, Request, SSHLogin, Target, redirect
from .route import DEFAULT_PORTS, DirectResponse, HeaderRewrite, Redirect, Route, Substitution, Upstream
from .secret import Secret
from .spelling import MAX_MARKS, ascii_domain, nfc
from .template import HEADER_REFERENCE, REFERENCES, Reference, Template, is_known, plain_pieces
from .wildcard import fixed_end, in_one_domain, open_to_anybody

__all__ = [
    "ANONYMOUS",
    "AUTHORITY",
    "DEFAULT_PORTS",
    "HEADER_REFERENCE",
    "MAX_MARKS",
    "MAX_MEMO",
    "NO_CLAIMS",
    "NO_DEVICES",
    "OWN_PATHS",
    "OWN_PREFIXES",
    "REFERENCES",
    "Claims",
    "ClientCertificate",
    "Decision",
    "Device",
    "DirectResponse",
    "DirectoryGroup",
    "DirectoryUser",
    "Head",
    "HeaderRewrite",
    "Identity",
    "MCPCall",
    "Outcome",
    "Peer",
    "Redirect",
    "Reference",
    "Reply",
    "Request",
    "Route",
    "SSHLogin",
    "Secret",
    "Session",
    "Substitution",
    "Target",
    "Template",
    "Upstream",
    "User",
    "ascii_domain",
    "believable_email",
    "canonical_ipv6",
    "fixed_end",
    "flatten_claims",
    "in_one_domain",
    "is_known",
    "nfc",
    "open_to_anybody",
    "plain_pieces",
    "redirect",
    "reserved",
]
