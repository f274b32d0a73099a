"""What a policy decides: criteria, the compiler from syntax trees to one Python function, and evaluations.

Pure: criteria arrive as a mapping, requests and identities as values. :class:`ICriterion` is the point where
a plugin adds a criterion of its own.
"""

from .branches import UNAUTHENTICATED, Branch, Call, Match, decided, decided_signed_in
from .compiler import compile_policy
from .criteria import BUILT_IN, NOT_BUILT
from .environment import NO_RECORDS, Environment, Records
from .errors import PolicyError
from .evaluation import CRITERION_ERROR, CompiledPolicy, Evaluation
from .guard import MAX_MATCH_SECONDS
from .interface import INPUTS, ICriterion
from .legacy import legacy_policy

__all__ = [
    "BUILT_IN",
    "CRITERION_ERROR",
    "INPUTS",
    "MAX_MATCH_SECONDS",
    "NOT_BUILT",
    "NO_RECORDS",
    "UNAUTHENTICATED",
    "Branch",
    "Call",
    "CompiledPolicy",
    "Environment",
    "Evaluation",
    "ICriterion",
    "Match",
    "PolicyError",
    "Records",
    "compile_policy",
    "decided",
    "decided_signed_in",
    "legacy_policy",
]
