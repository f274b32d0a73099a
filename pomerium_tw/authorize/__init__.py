"""Decides every request: policy to decision, decision to log, and the headers that prove the caller."""

from .authorizer import Authorizer
from .ladder import decide
from .upstream_headers import UpstreamHeaders

__all__ = ["Authorizer", "UpstreamHeaders", "decide"]
