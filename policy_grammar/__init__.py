"""The policy language: one syntax tree, two notations, loss-free both ways.

The notations are ``.ppl`` text and Pomerium's YAML/JSON. This package knows the shape of policies and nothing
of what criteria mean: names and operands are checked by whoever compiles the tree. Pure: no I/O, imports
nothing of ``pomerium_tw``.
"""

from .data import parse_data, to_data
from .errors import PolicySyntaxError, did_you_mean
from .format import to_text
from .limits import MAX_DEPTH, MAX_NODES, MAX_NUMBER_BITS, MAX_TEXT
from .span import NOWHERE, Span, nearest
from .text import parse_text
from .tree import ACTIONS, OPERATORS, Criterion, Operator, Path, Policy, Rule

__all__ = [
    "ACTIONS",
    "MAX_DEPTH",
    "MAX_NODES",
    "MAX_NUMBER_BITS",
    "MAX_TEXT",
    "NOWHERE",
    "OPERATORS",
    "Criterion",
    "Operator",
    "Path",
    "Policy",
    "PolicySyntaxError",
    "Rule",
    "Span",
    "did_you_mean",
    "nearest",
    "parse_data",
    "parse_text",
    "to_data",
    "to_text",
]
