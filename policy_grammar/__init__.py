"""The policy language: one syntax tree, two notations, loss-free both ways.

The notations are ``.ppl`` text and Pomerium's YAML/JSON. This package knows the shape of policies and nothing
of what criteria mean: names and operands are checked by whoever compiles the tree. Pure: no I/O, imports
nothing of ``pomerium_tw``.
"""

from .comments import NO_COMMENTS, Comments, Extent, Found, Layout
from .data import parse_data, to_data
from .document_data import has_document_keys, parse_document_data, to_document_data
from .errors import PolicySyntaxError, did_you_mean
from .format import to_text
from .limits import MAX_DEPTH, MAX_NODES, MAX_NUMBER_BITS, MAX_TEXT
from .span import NOWHERE, Span, nearest
from .text import parse_document, parse_text
from .tree import ACTIONS, OPERATORS, Criterion, Document, Include, Operator, Path, Policy, Rule
from .walk import comment_lines
from .yaml_text import to_yaml

__all__ = [
    "ACTIONS",
    "MAX_DEPTH",
    "MAX_NODES",
    "MAX_NUMBER_BITS",
    "MAX_TEXT",
    "NOWHERE",
    "NO_COMMENTS",
    "OPERATORS",
    "Comments",
    "Criterion",
    "Document",
    "Extent",
    "Found",
    "Include",
    "Layout",
    "Operator",
    "Path",
    "Policy",
    "PolicySyntaxError",
    "Rule",
    "Span",
    "comment_lines",
    "did_you_mean",
    "has_document_keys",
    "nearest",
    "parse_data",
    "parse_document",
    "parse_document_data",
    "parse_text",
    "to_data",
    "to_document_data",
    "to_text",
    "to_yaml",
]
