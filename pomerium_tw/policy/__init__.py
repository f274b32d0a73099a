"""What a policy decides: criteria, the compiler from syntax trees to one Python function, and evaluations.

Pure: criteria arrive as a mapping, requests and identities as values. :class:`ICriterion` is the point where
a plugin adds a criterion of its own.
"""

from .branches import UNAUTHENTICATED, Branch, Call, Match, decided, decided_signed_in
from .compiler import compile_policy
from .criteria import BUILT_IN, STRICT
from .criteria.certificate import canonical_fingerprint
from .decorator import FunctionCriterion, criterion
from .environment import NO_RECORDS, Environment, Records
from .errors import PolicyError
from .evaluation import CRITERION_ERROR, CompiledPolicy, Evaluation
from .explanation import Explainer, Explanation, Node
from .external import ExternalData, RecordSource
from .guard import MAX_MATCH_SECONDS
from .inputs import INPUTS
from .interface import ICheckedCriterion, ICriterion
from .legacy import AccessLists, legacy_policy
from .prepare import Prepared, prepare
from .schema import policy_file_schema, policy_schema
from .surprises import Surprise, asks_for_session, surprises

__all__ = [
    "BUILT_IN",
    "CRITERION_ERROR",
    "INPUTS",
    "MAX_MATCH_SECONDS",
    "NO_RECORDS",
    "STRICT",
    "UNAUTHENTICATED",
    "AccessLists",
    "Branch",
    "Call",
    "CompiledPolicy",
    "Environment",
    "Evaluation",
    "Explainer",
    "Explanation",
    "ExternalData",
    "FunctionCriterion",
    "ICheckedCriterion",
    "ICriterion",
    "Match",
    "Node",
    "PolicyError",
    "Prepared",
    "RecordSource",
    "Records",
    "Surprise",
    "asks_for_session",
    "canonical_fingerprint",
    "compile_policy",
    "criterion",
    "decided",
    "decided_signed_in",
    "legacy_policy",
    "policy_file_schema",
    "policy_schema",
    "prepare",
    "surprises",
]
