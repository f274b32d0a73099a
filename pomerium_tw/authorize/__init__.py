"""Decides every request: policy to decision, decision to log, and the headers that prove the caller."""

from .authorizer import Authorizer
from .forwarded import ForwardedAssertions
from .internal import internal_evaluation
from .ladder import decide
from .proof import IssuedTokens, Proof
from .references import comma_list
from .upstream_headers import Sent, UpstreamHeaders, routing_key
from .verdict import Verdict, verdict

__all__ = [
    "Authorizer",
    "ForwardedAssertions",
    "IssuedTokens",
    "Proof",
    "Sent",
    "UpstreamHeaders",
    "Verdict",
    "comma_list",
    "decide",
    "internal_evaluation",
    "routing_key",
    "verdict",
]
