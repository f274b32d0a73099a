"""The composition root: settings become a generation, and a generation becomes a running Twisted service."""

from .criteria import installed_criteria
from .explaining import Explained, Explaining
from .foreground import run_service
from .policy_check import PolicyCheck
from .run import Findings, PomeriumService, check, make_service

__all__ = [
    "Explained",
    "Explaining",
    "Findings",
    "PolicyCheck",
    "PomeriumService",
    "check",
    "installed_criteria",
    "make_service",
    "run_service",
]
