"""The composition root: settings become a generation, and a generation becomes a running Twisted service."""

from .foreground import run_service
from .run import PomeriumService, check, make_service

__all__ = ["PomeriumService", "check", "make_service", "run_service"]
