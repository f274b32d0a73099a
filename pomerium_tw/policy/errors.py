"""The error of a policy that reads well and cannot mean anything."""

from __future__ import annotations

from policy_grammar import PolicySyntaxError


class PolicyError(PolicySyntaxError):
    """An unknown criterion, or data that a criterion does not accept; raised when a policy is compiled."""
